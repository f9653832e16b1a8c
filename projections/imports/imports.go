// Package imports is the view of what each import did: its counts per table,
// the rows it refused, the links it proposed. The file's name stays sealed.
package imports

import (
	"strings"

	"lethe/domain"
	"lethe/domain/importing"
	"lethe/projections"
)

// Name of the view.
const Name = "imports"

var importsTable = &projections.Table{
	Name: "imports", KeyColumns: 1,
	Columns: append([]projections.Column{
		{Name: "import", Type: projections.Bytes},
		{Name: "system", Type: projections.Text},
		{Name: "format", Type: projections.Text},
		{Name: "file", Type: projections.Bytes},
		{Name: "mapping", Type: projections.Bytes},
		{Name: "bytes", Type: projections.Int},
		{Name: "catalogue", Type: projections.Int},
		{Name: "principal", Type: projections.Bytes},
		{Name: "started", Type: projections.Int},
		{Name: "position", Type: projections.Int},
		{Name: "event", Type: projections.Bytes},
	}, projections.SealedColumns()...), // of the file's name; type "" when it has none
	Indexes: []projections.Index{{Name: "imports_position", Columns: []string{"position"}}},
}

var completedTable = &projections.Table{
	Name: "import_completions", KeyColumns: 1,
	Columns: []projections.Column{
		{Name: "import", Type: projections.Bytes},
		{Name: "completed", Type: projections.Int},
		{Name: "position", Type: projections.Int},
	},
}

var tablesTable = &projections.Table{
	Name: "import_tables", KeyColumns: 2,
	Columns: []projections.Column{
		{Name: "import", Type: projections.Bytes},
		{Name: "seq", Type: projections.Int},
		{Name: "name", Type: projections.Text},
		{Name: "read", Type: projections.Int},
		{Name: "created", Type: projections.Int},
		{Name: "updated", Type: projections.Int},
		{Name: "unchanged", Type: projections.Int},
		{Name: "refused", Type: projections.Int},
		{Name: "suppressed", Type: projections.Int},
		{Name: "field_values", Type: projections.Int},
		{Name: "denials", Type: projections.Int},
		{Name: "consents", Type: projections.Int},
		{Name: "conflicts", Type: projections.Int},
		{Name: "linked", Type: projections.Int},
	},
}

// Kinds of rules counted.
const (
	leftOut = "left_out"
	finding = "finding"
)

var rulesTable = &projections.Table{
	Name: "import_rules", KeyColumns: 4,
	Columns: []projections.Column{
		{Name: "import", Type: projections.Bytes},
		{Name: "table_seq", Type: projections.Int},
		{Name: "kind", Type: projections.Text},
		{Name: "seq", Type: projections.Int},
		{Name: "rule", Type: projections.Text},
		{Name: "count", Type: projections.Int},
	},
}

var refusalsTable = &projections.Table{
	Name: "import_refusals", KeyColumns: 3,
	Columns: []projections.Column{
		{Name: "import", Type: projections.Bytes},
		{Name: "position", Type: projections.Int},
		{Name: "seq", Type: projections.Int},
		{Name: "source_table", Type: projections.Text},
		{Name: "row", Type: projections.Int},
		{Name: "field", Type: projections.Text},
		{Name: "rule", Type: projections.Text},
		{Name: "conflict", Type: projections.Int},
	},
}

var linksTable = &projections.Table{
	Name: "import_links", KeyColumns: 3,
	Columns: []projections.Column{
		{Name: "import", Type: projections.Bytes},
		{Name: "position", Type: projections.Int},
		{Name: "seq", Type: projections.Int},
		{Name: "a", Type: projections.Text},
		{Name: "b", Type: projections.Text},
		{Name: "ground", Type: projections.Text},
	},
}

// View is the projection.
type View struct{}

var _ projections.Projection = View{}

// Name is the view's name.
func (View) Name() string { return Name }

// Schema is what its files hold.
func (View) Schema() projections.Schema {
	return projections.Schema{Version: 2, Tables: []*projections.Table{
		importsTable, completedTable, tablesTable, rulesTable, refusalsTable, linksTable,
	}}
}

// Events are those of the import streams.
func (View) Events() []string {
	return projections.Types((*importing.Started)(nil), (*importing.RowsRefused)(nil),
		(*importing.LinksProposed)(nil), (*importing.Completed)(nil))
}

// NewFold starts a fold; it remembers nothing.
func (View) NewFold(bool) projections.Fold { return fold{} }

type fold struct{}

func (fold) Flush(projections.Tx) error { return nil }

// Apply adds rows. Which import an event belongs to is its stream's name; an
// event of these types in another stream is none of an import's.
func (fold) Apply(tx projections.Tx, e *domain.Recorded) error {
	name, _ := strings.CutPrefix(e.Stream, "import-")
	id, err := domain.ParseID(name)
	if err != nil {
		return nil
	}
	x, ok := e.Event.(importing.Event)
	if !ok {
		return nil
	}
	switch x := x.(type) {
	case *importing.Started:
		return addStarted(tx, e, id, x)
	case *importing.RowsRefused:
		return addRefusals(tx, e, id, x.Rows)
	case *importing.LinksProposed:
		return addLinks(tx, e, id, x.Links)
	case *importing.Completed:
		return addCompleted(tx, e, id, x.Tables)
	}
	return nil
}

func addStarted(tx projections.Tx, e *domain.Recorded, id domain.ID, x *importing.Started) error {
	name, _ := projections.PartOf(&x.FileName, x.EventType())
	return tx.Put(importsTable, id[:], string(x.System), string(x.Format), x.File[:], x.Mapping[:], x.Bytes,
		int64(x.Catalogue), e.Metadata.Principal[:], e.Recorded.UnixMicro(), int64(e.Position), e.ID[:],
		name.Type, int64(name.Version), name.Column())
}

func addRefusals(tx projections.Tx, e *domain.Recorded, id domain.ID, refused []importing.Refusal) error {
	for i, r := range refused {
		err := tx.Add(refusalsTable, id[:], int64(e.Position), int64(i),
			string(r.Table), int64(r.Row), string(r.Field), string(r.Rule), projections.Flag(r.Conflict))
		if err != nil {
			return err
		}
	}
	return nil
}

func addLinks(tx projections.Tx, e *domain.Recorded, id domain.ID, links []importing.Link) error {
	for i, l := range links {
		if err := tx.Add(linksTable, id[:], int64(e.Position), int64(i), string(l.A), string(l.B), string(l.Ground)); err != nil {
			return err
		}
	}
	return nil
}

// addCompleted replaces the counts: an import that was resumed after its end
// completes again with the counts of the whole.
func addCompleted(tx projections.Tx, e *domain.Recorded, id domain.ID, tables []importing.Table) error {
	if err := tx.Put(completedTable, id[:], e.Recorded.UnixMicro(), int64(e.Position)); err != nil {
		return err
	}
	for _, t := range []*projections.Table{tablesTable, rulesTable} {
		if err := tx.Delete(t, id[:]); err != nil {
			return err
		}
	}
	for i := range tables {
		if err := addTable(tx, id, i, &tables[i]); err != nil {
			return err
		}
	}
	return nil
}

func addTable(tx projections.Tx, id domain.ID, i int, t *importing.Table) error {
	err := tx.Add(tablesTable, id[:], int64(i), string(t.Name), int64(t.Read), int64(t.Created), int64(t.Updated),
		int64(t.Unchanged), int64(t.Refused), int64(t.Suppressed), int64(t.Values), int64(t.Denials), int64(t.Consents), int64(t.Conflicts), int64(t.Linked))
	if err != nil {
		return err
	}
	if err := addRules(tx, id, i, leftOut, t.LeftOut); err != nil {
		return err
	}
	return addRules(tx, id, i, finding, t.Findings)
}

func addRules(tx projections.Tx, id domain.ID, table int, kind string, rules []importing.RuleCount) error {
	for i, r := range rules {
		if err := tx.Add(rulesTable, id[:], int64(table), kind, int64(i), string(r.Rule), int64(r.Count)); err != nil {
			return err
		}
	}
	return nil
}
