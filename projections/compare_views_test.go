package projections_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lethe/eventstore"
	"lethe/projections"
)

// TestCompareOfRandomHistories finds nothing in views that followed the log,
// and finds whichever row of whichever table was changed, lost or made up.
func TestCompareOfRandomHistories(t *testing.T) {
	fewer(t)
	rapid.Check(t, func(rt *rapid.T) {
		store := newMemory()
		g := newGenerator(t, store, 4)
		dir := t.TempDir()
		r := open(t, dir, store, g.codec, allViews()...)
		defer func() { require.NoError(rt, r.Close()) }()
		for range rapid.IntRange(1, 4).Draw(rt, "batches") {
			var last eventstore.Position
			for range rapid.IntRange(1, 30).Draw(rt, "events") {
				last = g.step(drawn{rt})
			}
			waitAll(rt, r, last)
		}
		for _, v := range allViews() {
			require.Empty(rt, compare(rt, r, v), v.Name())
		}
		v := allViews()[rapid.IntRange(0, 4).Draw(rt, "view")]
		tables := v.Schema().Tables
		table := tables[rapid.IntRange(0, len(tables)-1).Draw(rt, "table")]
		if !tamper(rt, filepath.Join(dir, v.Name(), "1.db"), table) {
			return
		}
		found := compare(rt, r, v)
		require.Len(rt, found, 1)
		require.Equal(rt, table.Name, found[0].Table)
		require.NotEmpty(rt, found[0].Key)
	})
}

func compare(t require.TestingT, r *projections.Runner, v projections.Projection) (found []projections.Difference) {
	require.NoError(t, r.Compare(context.Background(), v.Name(), nil, func(d projections.Difference) { found = append(found, d) }))
	return found
}

// tamper changes, removes or adds one row; false when the table has none.
func tamper(rt *rapid.T, path string, table *projections.Table) bool {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	require.NoError(rt, err)
	defer func() { require.NoError(rt, db.Close()) }()
	keys := make([]string, table.KeyColumns)
	for i := range keys {
		keys[i] = table.Columns[i].Name
	}
	var rows int
	require.NoError(rt, db.QueryRow("SELECT count(*) FROM "+table.Name).Scan(&rows))
	if rows == 0 {
		return false
	}
	key := strings.Join(keys, ", ")
	chosen := fmt.Sprintf("(%s) = (SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %d)", key, key, table.Name, key, rapid.IntRange(0, rows-1).Draw(rt, "row"))
	statement := "DELETE FROM " + table.Name + " WHERE " + chosen
	switch how := rapid.IntRange(0, 2).Draw(rt, "how"); {
	case how == 1 && len(table.Columns) > table.KeyColumns:
		column := table.Columns[rapid.IntRange(table.KeyColumns, len(table.Columns)-1).Draw(rt, "column")]
		value := map[projections.ColumnType]string{projections.Int: "-77", projections.Text: "'tampered'", projections.Bytes: "x'00'"}[column.Type]
		statement = "UPDATE " + table.Name + " SET " + column.Name + " = " + value + " WHERE " + chosen
	case how == 2:
		columns := strings.Split(table.Names(), ", ")
		columns[0] = map[projections.ColumnType]string{projections.Int: "-77", projections.Text: "'tampered'", projections.Bytes: "x'00'"}[table.Columns[0].Type]
		statement = "INSERT INTO " + table.Name + " SELECT " + strings.Join(columns, ", ") + " FROM " + table.Name + " WHERE " + chosen
	}
	_, err = db.Exec(statement)
	require.NoError(rt, err, statement)
	return true
}
