package source

import "lethe/domain"

// Rules for which a row is read but not imported. Sources share them so that
// reports can be compared; a mapping may name others of its own.
const (
	LeftOutOrganisation domain.Name = "organisation"          // not a natural person
	LeftOutHousehold    domain.Name = "household"             // several people at once; each has a record of their own
	LeftOutUndetermined domain.Name = "undetermined"          // person or organisation: an officer has to say
	LeftOutSpecial      domain.Name = "special_category"      // needs a condition of GDPR 9(2) first
	LeftOutStaff        domain.Name = "staff_account"         // user of the source system
	LeftOutExternalUser domain.Name = "external_account"      // login of a contact; the contact has a record of their own
	LeftOutLogin        domain.Name = "staff_login"           // log of who used the source system
	LeftOutPrivate      domain.Name = "private_contact"       // a user's own, not the controller's
	LeftOutErased       domain.Name = "erased_in_source"      // must not come back
	LeftOutDeleted      domain.Name = "deleted_in_source"     // in the source's bin
	LeftOutNoPersonal   domain.Name = "no_personal_field"     // holds nothing that a catalogue field is for
	LeftOutNoPerson     domain.Name = "no_person"             // refers to nobody
	LeftOutOrphan       domain.Name = "parent_missing"        // refers to a record that the file does not have
	LeftOutAgenda       domain.Name = "agenda_entry"          // free text about dealings; no field and no purpose
	LeftOutAddedByAdmin domain.Name = "added_by_admin"        // somebody else put the person on the list: not consent
	LeftOutNoNotice     domain.Name = "opt_in_without_notice" // the person did it, but what they were told is not kept
	LeftOutSecondary    domain.Name = "secondary_address"     // the person's field holds one, and this is not the main one
	LeftOutNoKey        domain.Name = "no_key"
)

// Rules of findings, conflicts and refusals.
const (
	RulePlaintextPassword domain.Name = "plaintext_password"
	RuleHealth            domain.Name = "health_data"
	RuleLoginAddress      domain.Name = "login_with_ip_address"
	RuleMaybePerson       domain.Name = "maybe_natural_person"
	RuleNaturalPerson     domain.Name = "natural_person_as_third_party"
	RuleWeakConsent       domain.Name = "consent_without_evidence"
	RuleCustomFields      domain.Name = "custom_field_not_imported"
	RuleSendError         domain.Name = "send_error"
	RuleBounced           domain.Name = "address_bounced"
	RuleDeceased          domain.Name = "deceased"
	RuleFreeText          domain.Name = "free_text_about_a_person"
	RuleDamaged           domain.Name = "damaged_by_spreadsheet"

	RuleDumpEnd      domain.Name = "dump_end_missing" // the file lacks its writer's last line: it may have been cut off
	RuleTableMissing domain.Name = "table_missing"    // every system of the kind has the table, this file has not

	RuleDeniedButAdded   domain.Name = "do_not_email_but_added_to_group"
	RuleConsentAndDenial domain.Name = "consent_and_denial"

	RuleColumnCount domain.Name = "column_count"
	RuleDate        domain.Name = "date_layout"
	RuleDecimal     domain.Name = "decimal_form"
	RuleValue       domain.Name = "value_not_mapped"
	RuleNoKey       domain.Name = "key_missing"
	RuleTooLong     domain.Name = "value_too_long"
)
