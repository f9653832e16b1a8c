package main

import "slices"

// mutants are the table, by pitfall. Each is what a careless change would do.
// Where two protections stand behind each other, each has a mutant of its own
// if a test tells them apart; else one takes out both and says so.
func mutants() []mutant {
	return slices.Concat(
		pitfall1(), pitfall2(), pitfall3(), declared(), pitfall4(), pitfall5(), pitfall6(), pitfall7(), pitfall8(),
		pitfall9(), pitfall10(), pitfall11(), pitfall12(), pitfall13(), pitfall14(), pitfall15(), pitfall16(),
		pitfall17(), pitfall18(), pitfall19(), pitfall20(), pitfall21(), pitfall22(), pitfall23(), pitfall24(),
	)
}

// The packages whose tests decide.
const (
	keyring  = "internal/keyring"
	erasure  = "internal/erasure"
	codec    = "internal/codec"
	views    = "projections"
	personal = "domain/personal"
	importer = "internal/importer"
	httpapi  = "internal/httpapi"
	cli      = "internal/cli"
	app      = "internal/app"
)

// The files that several mutants change.
const (
	provision = keyring + "/provision.go"
	destroy   = keyring + "/destroy.go"
	reading   = keyring + "/read.go"
	next      = keyring + "/next.go"
	sqlite    = keyring + "/sqlite.go"
	lookup    = keyring + "/lookup.go"
	forget    = keyring + "/forget.go"
	recovery  = keyring + "/recover.go"
	left      = app + "/left.go"
	rotate    = keyring + "/rotate.go"
	info      = keyring + "/epochinfo.go"
	start     = erasure + "/start.go"
	finish    = erasure + "/finish.go"
	process   = erasure + "/erasure.go"
	suppress  = importer + "/suppress.go"
	recall    = importer + "/recall.go"
	encode    = codec + "/codec.go"
	history   = views + "/history/erased.go"
	customers = views + "/customers/erased.go"
	seal      = "internal/part/seal.go"
	ledgers   = "internal/ledger/erasure.go"
	weigh     = "domain/subject/weigh.go"
	stored    = "domain/subject/stored.go"
	value     = "domain/personal/value.go"
)

// one is an edit of one place.
func one(file, old, next string) []edit { return []edit{{file, old, next}} }
