-- Made up for this test. Children stand before their parents on purpose.
INSERT INTO `civicrm_email` (`id`, `contact_id`, `email`, `is_primary`, `on_hold`) VALUES
 (1,1,'ann@example.org',1,0),(2,1,'ann2@example.org',0,2),(3,2,'bounce@example.org',1,1),
 (4,3,'family@example.org',1,0),(5,NULL,'nobody@example.org',1,0),(6,99,'lost@example.org',1,0);
INSERT INTO `civicrm_phone` (`id`, `contact_id`, `phone`, `phone_type_id`) VALUES
 (1,1,'+44 20 7946 0000',1),(2,1,'+44 20 7946 0001',2),(3,1,'+44 20 7946 0002',3),(4,3,'+44 20 7946 0003',1);
INSERT INTO `civicrm_address` (`id`, `contact_id`, `is_primary`, `street_address`, `supplemental_address_1`, `city`, `postal_code`, `postal_code_suffix`, `state_province_id`, `country_id`) VALUES
 (1,1,1,'1 Test St','Flat 2','Testham','AB1','9',2,1),(2,1,0,'2 Test St',NULL,'Testham',NULL,NULL,NULL,1),(3,2,1,NULL,NULL,NULL,NULL,'7',NULL,NULL),(4,4,1,'3 Test St',NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO `civicrm_website` (`id`, `contact_id`, `url`) VALUES (1,1,'https://ann.example.org');
INSERT INTO `civicrm_subscription_history` (`id`, `contact_id`, `group_id`, `date`, `method`, `status`) VALUES
 (1,1,2,'2024-01-01 00:00:00','Admin','Added'),(2,2,2,'2024-01-01 00:00:00','Form','Added'),(3,2,2,'2024-03-04 05:06:07','Email','Removed'),
 (4,2,2,'2024-03-05 00:00:00','Admin','Removed'),(5,2,3,'2024-03-05 00:00:00','Form','Removed'),(6,4,2,'2024-01-01 00:00:00','Form','Added'),(7,1,3,'2024-01-01 00:00:00','Admin','Added');
INSERT INTO `civicrm_contact` (`id`, `contact_type`, `display_name`, `organization_name`, `first_name`, `middle_name`, `last_name`, `do_not_email`, `do_not_phone`, `do_not_mail`, `do_not_sms`, `do_not_trade`, `is_opt_out`, `external_identifier`, `preferred_language`, `api_key`, `prefix_id`, `job_title`, `gender_id`, `birth_date`, `is_deceased`, `is_deleted`, `created_date`, `modified_date`) VALUES
 (1,'Individual','Dr. Ann Q O''Probe','Probe Ltd','Ann','Q','O\'Probe',1,1,1,1,1,1,'X-1','en_GB','the-api-key',4,'Tester',1,'1980-01-02',1,0,'2020-01-01 00:00:00','2021-01-01 00:00:00'),
 (2,'Individual','Just a name',NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL),
 (3,'Household','Probe family',NULL,NULL,NULL,NULL,1,1,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL),
 (4,'Organization','Probe Ltd','Probe Ltd',NULL,NULL,NULL,0,0,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL),
 (5,'Individual','Bin','','Bin',NULL,'Bin',0,0,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,1,NULL,NULL),
 (6,'Individual','x@example.org',NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL),
 (7,'Individual','Odd Date',NULL,'Odd',NULL,'Date',0,0,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,'someday',0,0,NULL,NULL);
INSERT INTO `civicrm_group` (`id`, `name`, `group_type`) VALUES (1,'Administrators','1'),(2,'News','12'),(3,'Staff',NULL);
INSERT INTO `civicrm_option_group` (`id`, `name`) VALUES (3,'gender'),(6,'individual_prefix'),(32,'phone_type');
INSERT INTO `civicrm_option_value` (`id`, `option_group_id`, `label`, `value`) VALUES (1,3,'Female','1'),(2,3,'Male','2'),(3,6,'Dr.','4'),(4,32,'Phone','1'),(5,32,'Mobile','2'),(6,32,'Fax','3');
INSERT INTO `civicrm_country` (`id`, `name`, `iso_code`) VALUES (1,'Testland','GB');
INSERT INTO `civicrm_state_province` (`id`, `name`) VALUES (2,'Testshire');
