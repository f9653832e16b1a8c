package customers

import (
	"lethe/projections"
	"lethe/projections/standing"
)

var peopleTable = &projections.Table{
	Name: "customers", KeyColumns: 1,
	Columns: append([]projections.Column{
		{Name: "token", Type: projections.Text},
		{Name: "jurisdiction", Type: projections.Text},
		{Name: "acquired", Type: projections.Text},
		{Name: "source_system", Type: projections.Text},
		{Name: "source_table", Type: projections.Text},
		{Name: "source_import", Type: projections.Bytes, Null: true},
		{Name: "registered_recorded", Type: projections.Int},
		{Name: "registered_effective", Type: projections.Int},
		{Name: "event", Type: projections.Bytes}, // that registered; the sealed columns are the source's row
		{Name: "revision", Type: projections.Int},
		{Name: "position", Type: projections.Int},
		{Name: "recorded", Type: projections.Int},   // of the last event
		{Name: "restricted", Type: projections.Int}, // this and the next count all that is recorded, also what is yet to take effect
		{Name: "objections", Type: projections.Int}, // those that stand
		{Name: "status", Type: projections.Text},
		{Name: "closed", Type: projections.Text}, // groups that an erasure closed, sorted and joined by a space
	}, projections.SealedColumns()...),
	Indexes: []projections.Index{{Name: "customers_import", Columns: []string{"source_import", "token"}}},
}

var fieldsTable = &projections.Table{
	Name: "customer_fields", KeyColumns: 4,
	Columns: append([]projections.Column{
		{Name: "token", Type: projections.Text},
		{Name: "field", Type: projections.Text},
		{Name: "slot", Type: projections.Int},
		{Name: "lifecycle", Type: projections.Int}, // an earlier one that the value had to stay of, or 0
		{Name: "retention_group", Type: projections.Text},
		{Name: "class", Type: projections.Text},
		{Name: "purposes", Type: projections.Text}, // joined by a space, in order of recording
		{Name: "event", Type: projections.Bytes},
		{Name: "revision", Type: projections.Int},
		{Name: "recorded", Type: projections.Int},
		{Name: "since", Type: projections.Int}, // effective
		{Name: "source_system", Type: projections.Text},
		{Name: "source_table", Type: projections.Text},
		{Name: "source_import", Type: projections.Bytes, Null: true},
	}, projections.SealedColumns()...),
}

// claimsTable has what restrictions, objections, holds, links and erasures fold from.
var claimsTable = standing.Table("customer_claims")
