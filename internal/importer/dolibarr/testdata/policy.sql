-- Opt-outs, the data-policy module and erased people, made up for this test.
CREATE TABLE `llx_societe` (`rowid` int, `nom` varchar(128), `fk_typent` int, `canvas` varchar(32));
INSERT INTO `llx_societe` VALUES (1,'Firma Probe',3,NULL),(2,'Person Probe',8,NULL),(3,'MAKEANONYMOUS',8,NULL);
CREATE TABLE `llx_socpeople` (`rowid` int, `lastname` varchar(50), `firstname` varchar(50), `email` varchar(255), `priv` int, `fk_soc` int);
INSERT INTO `llx_socpeople` VALUES (1,'Eins','Eva','eva@example.org',0,1),(2,'MAKEANONYMOUS','MAKEANONYMOUS','',0,NULL),(3,'Drei','Dora','dora@example.org',1,NULL),(4,'','','',0,NULL);
CREATE TABLE `llx_societe_extrafields` (`rowid` int, `tms` timestamp, `fk_object` int, `datapolicy_consentement` int, `datapolicy_opposition_traitement` int, `datapolicy_opposition_prospection` int, `datapolicy_date` datetime, `datapolicy_send` datetime, `shoe_size` int);
INSERT INTO `llx_societe_extrafields` VALUES (1,'2020-01-01 00:00:00',1,0,1,1,'2019-01-02 00:00:00',NULL,NULL),(2,'2020-01-01 00:00:00',2,1,1,1,'2019-01-02 03:04:05',NULL,44);
CREATE TABLE `llx_socpeople_extrafields` (`rowid` int, `fk_object` int, `datapolicy_consentement` int, `datapolicy_opposition_prospection` int);
INSERT INTO `llx_socpeople_extrafields` VALUES (1,1,1,0),(2,99,0,1),(3,NULL,0,1),(4,3,0,1);
CREATE TABLE `llx_mailing_unsubscribe` (`rowid` int, `entity` int, `email` varchar(255), `unsubscribegroup` varchar(128), `ip` varchar(128), `date_creat` datetime, `tms` timestamp);
INSERT INTO `llx_mailing_unsubscribe` VALUES (1,1,'eva@example.org','','192.0.2.1','2021-05-06 07:08:09','2021-05-06 07:08:09'),(2,1,'','',NULL,NULL,NULL);
CREATE TABLE `llx_mailing_cibles` (`rowid` int, `fk_contact` int, `lastname` varchar(50), `firstname` varchar(50), `email` varchar(160), `statut` int, `source_id` int, `source_type` varchar(16), `date_envoi` datetime);
INSERT INTO `llx_mailing_cibles` VALUES
 (1,1,'Eins','Eva','eva@example.org',3,1,'contact','2020-01-01 00:00:00'),
 (2,1,'Eins','Eva','eva@example.org',1,1,'contact','2020-01-01 00:00:00'),
 (3,0,'Fremd','Fritz','fritz@example.org',0,0,'file',NULL),
 (4,3,'Drei','Dora','dora@example.org',3,3,'contact',NULL),
 (5,0,'Boss','Bea','bea@example.org',3,1,'user',NULL),
 (6,0,'MAKEANONYMOUS','','erased@example.org',3,0,'file',NULL),
 (7,77,'Weg','Wim','wim@example.org',1,77,'contact',NULL),
 (8,77,'Weg','Wim','wim@example.org',3,77,'contact',NULL),
 (9,0,'Firma','','info@example.org',2,1,'thirdparty',NULL),
 (10,1,'Eins','Eva','eva2@example.org',-1,0,NULL,NULL);
CREATE TABLE `llx_user` (`rowid` int, `login` varchar(50), `pass` varchar(128), `pass_crypted` varchar(128), `api_key` varchar(128), `fk_soc` int, `fk_socpeople` int);
INSERT INTO `llx_user` VALUES (1,'boss','geheim-wort','c0ffee','k3y-of-the-api',NULL,NULL),(2,'eva',NULL,'c0ffee',NULL,1,1);
INSERT INTO `llx_user` VALUES (3,'short');
