-- A database of version 3.0, made up for this test: the old column names.
CREATE TABLE `xy_c_pays` (`rowid` int(11) NOT NULL, `code` varchar(2) NOT NULL, `libelle` varchar(25), PRIMARY KEY (`rowid`));
INSERT INTO `xy_c_pays` VALUES (1,'FR','France'),(41,'AT','Autriche');
CREATE TABLE `xy_adherent_type` (`rowid` int, `libelle` varchar(50));
INSERT INTO `xy_adherent_type` VALUES (1,'Membre actif');
CREATE TABLE `xy_adherent` (
  `rowid` int(11) NOT NULL, `civilite` varchar(6), `nom` varchar(50), `prenom` varchar(50), `login` varchar(50), `pass` varchar(50),
  `fk_adherent_type` int(11) NOT NULL, `morphy` varchar(3) NOT NULL, `societe` varchar(50), `fk_soc` int, `adresse` text, `cp` varchar(30),
  `ville` varchar(50), `pays` varchar(50), `email` varchar(255), `naiss` date, `statut` smallint, `datevalid` datetime, `datec` datetime,
  `tms` timestamp, `note` text, PRIMARY KEY (`rowid`));
INSERT INTO `xy_adherent` VALUES
 (1,'MME','Test-Dupré','Zoé','zoe','clair!',1,'phy',NULL,3,'1 rue de l\'Essai\nbât. B','75001','Paris','1','zoe@example.org','1970-02-03',1,'2010-05-06 07:08:09','2010-05-01 00:00:00','2011-01-01 00:00:00','aime les tests'),
 (2,NULL,'Verein','',NULL,NULL,1,'mor','Testverein',NULL,NULL,NULL,NULL,'Autriche',NULL,'0000-00-00',1,NULL,NULL,'0000-00-00 00:00:00',NULL),
 (3,NULL,'Sans','Date',NULL,NULL,1,'phy',NULL,NULL,NULL,NULL,NULL,'Autriche',NULL,'soon',1,NULL,NULL,'0000-00-00 00:00:00',NULL);
CREATE TABLE `xy_societe` (
  `rowid` int, `tms` timestamp, `datec` datetime, `nom` varchar(60), `code_client` varchar(15), `address` varchar(255), `cp` varchar(10), `ville` varchar(50),
  `fk_pays` int, `tel` varchar(20), `fax` varchar(20), `url` varchar(255), `email` varchar(128), `fk_typent` int, `fk_forme_juridique` int,
  `siren` varchar(16), `note` text, `client` tinyint, `fk_stcomm` int);
INSERT INTO `xy_societe` VALUES
 (1,'2011-01-01 00:00:00','2010-01-01 00:00:00','Test SARL',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,3,54,'123456789',NULL,1,0),
 (2,'2011-01-01 00:00:00','2010-01-01 00:00:00','Artisan Essai','C2','2 rue','69001','Lyon',1,'0102030405','0102030406','essai.example','artisan@example.org',0,13,'987654321','bon',1,-1),
 (3,'2011-01-01 00:00:00','2010-01-01 00:00:00','Test-Dupré Zoé',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,0,0,NULL,NULL,1,0),
 (4,'2011-01-01 00:00:00','2010-01-01 00:00:00','Qui Est-ce',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,0,0,NULL,NULL,1,0),
 (5,'2011-01-01 00:00:00','2010-01-01 00:00:00','Patiente Essai',NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,8,0,NULL,NULL,1,0);
CREATE TABLE `xy_socpeople` (
  `rowid` int, `datec` datetime, `tms` timestamp, `fk_soc` int, `civilite` varchar(6), `name` varchar(50), `firstname` varchar(50), `address` varchar(255),
  `cp` varchar(25), `ville` varchar(255), `fk_pays` int, `birthday` date, `poste` varchar(80), `phone` varchar(30), `phone_perso` varchar(30),
  `phone_mobile` varchar(30), `fax` varchar(30), `email` varchar(255), `priv` smallint, `no_email` smallint, `default_lang` varchar(6), `note` text);
INSERT INTO `xy_socpeople` VALUES
 (1,'2010-01-01 00:00:00','2011-01-01 00:00:00',1,'MR','Probe','Max','Gasse 1','1010','Wien',41,'1980-10-03','Chef','01','02','03','04','max@example.org',0,1,'de_AT','n'),
 (2,'2010-01-01 00:00:00','2011-01-01 00:00:00',NULL,'MR','Privat','Otto',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,'otto@example.org',1,1,NULL,NULL);
