package sqldump_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/internal/importer/sqldump"
	"lethe/internal/testenv"
)

func open(t testing.TB, text string) (*sqldump.File, error) {
	t.Helper()
	return sqldump.Open(context.Background(), strings.NewReader(text), int64(len(text)), sqldump.DefaultLimits(), nil)
}

// read returns a table's rows as column=value lists; NULL is ~, opaque is ?.
func read(t testing.TB, text, table string) []string {
	t.Helper()
	f, err := open(t, text)
	require.NoError(t, err)
	var out []string
	for row, err := range f.Rows(context.Background(), table) {
		require.NoError(t, err)
		var b strings.Builder
		fmt.Fprintf(&b, "%d@%d", row.Number, row.Line)
		for i, v := range row.Values {
			text := v.Text
			if v.Null {
				text = "~"
			}
			if v.Opaque {
				text = "?"
			}
			name := "!"
			if i < len(row.Columns) {
				name = row.Columns[i]
			}
			fmt.Fprintf(&b, " %s=%s", name, text)
		}
		out = append(out, b.String())
	}
	return out
}

func TestMySQLForms(t *testing.T) {
	const dump = "-- MySQL dump; with 'a quote\n" +
		"/*!40101 SET NAMES utf8; */;\n" +
		"DROP TABLE IF EXISTS `t`;\n" +
		"CREATE TABLE `t` (\n  `id` int(11) NOT NULL COMMENT 'a, b) c',\n  `the name` varchar(3) DEFAULT ';',\n  n decimal(10,2),\n" +
		"  PRIMARY KEY (`id`),\n  KEY `k` (`n`),\n  CONSTRAINT `x` FOREIGN KEY (`n`) REFERENCES `y` (`z`)\n) ENGINE=InnoDB COMMENT='x;y';\n" +
		"LOCK TABLES `t` WRITE;\n" +
		"INSERT INTO `t` VALUES (1,'a\\'b''c\\n\\\\',-1.50),(2,NULL,+3e5) ,\n(3,_binary 'x',0x4142);\n" +
		"INSERT IGNORE INTO t (n, id) VALUES (X'c3a9', b'101') ON DUPLICATE KEY UPDATE n='(';\n" +
		"REPLACE INTO `db`.`t` (`id`) VALUES (now()),(TRUE),('a' /* c */ 'b'),(-- c\n4);\n" +
		"DELIMITER ;;\nCREATE TRIGGER x BEGIN INSERT INTO t VALUES (9,'it''s',1); END;;\nDELIMITER ;\n" +
		"INSERT INTO other VALUES ('; ( `');\n" +
		"INSERT INTO t VALUES (5,'a',1,2),(6);\n"
	require.Equal(t, []string{
		"1@13 id=1 the name=a'b'c\n\\ n=-1.50",
		"2@13 id=2 the name=~ n=+3e5",
		"3@14 id=3 the name=x n=AB",
		"4@15 n=é id=5",
		"5@16 id=?",
		"6@16 id=1",
		"7@16 id=ab",
		"8@16 id=4",
		"9@22 id=5 the name=a n=1 !=2",
		"10@22 id=6",
	}, read(t, dump, "t"))
}

func TestPostgresForms(t *testing.T) {
	const dump = "--\n-- PostgreSQL database dump\n--\n\\restrict abc\nSET standard_conforming_strings = on;\n" +
		"CREATE FUNCTION f() RETURNS void AS $_$ BEGIN 'it; INSERT INTO t VALUES (1)'; END $_$;\n" +
		"CREATE TABLE public.t (\n    id integer NOT NULL,\n    \"Name\" character varying(20) DEFAULT 'x'::character varying,\n    CONSTRAINT c CHECK ((id > 0))\n);\n" +
		"COPY public.t (id, \"Name\") FROM stdin;\n1\ta\\tb\\\\c\\nd\n2\t\\N\n3\t\n\\.\n\n" +
		"INSERT INTO public.t VALUES (4, 'back\\slash'), (5, E'it\\'s'), (6, 'x'::character varying(3));\n"
	require.Equal(t, []string{
		"1@13 id=1 Name=a\tb\\c\nd",
		"2@14 id=2 Name=~",
		"3@15 id=3 Name=",
		"4@18 id=4 Name=back\\slash",
		"5@18 id=5 Name=it's",
		"6@18 id=6 Name=x",
	}, read(t, dump, "t"))
}

func TestTextThatIsNotUTF8IsReadAsWindows1252(t *testing.T) {
	const dump = "INSERT INTO t (a,b) VALUES ('caf\xe9','caf\xc3\xa9'),('\x80 5','x');"
	require.Equal(t, []string{"1@1 a=café b=café", "2@1 a=€ 5 b=x"}, read(t, dump, "t"))
}

func TestCutFileNamesTheLine(t *testing.T) {
	whole := "CREATE TABLE t (a int, b text);\n\nINSERT INTO t VALUES (1,'one'),\n(2,'two');\n"
	f, err := open(t, whole)
	require.NoError(t, err)
	require.NotNil(t, f)
	for _, c := range []struct {
		cut  string
		line string
	}{
		{"CREATE TABLE t (a int, b", "line 1"},
		{whole[:strings.Index(whole, "one")], "line 3"},
		{whole[:strings.Index(whole, "two')")+4], "line 3"},
		{whole[:strings.Index(whole, ";\n\nINSERT")+2] + "/* no end", "line 2"},
		{"-- x\nCOPY t (a) FROM stdin;\n1\n2\n", "line 2"},
		{"\nDELIMITER ;;\nBEGIN;\n", "line 2"},
	} {
		_, err := open(t, c.cut)
		require.Error(t, err, "%q", c.cut)
		e, ok := domain.AsError(err)
		require.True(t, ok)
		require.Equal(t, "dump.truncated", e.Code)
		require.Contains(t, e.Message, c.line, "%q", c.cut)
	}
}

func TestRowsWithoutAnyColumnNamesAreRefused(t *testing.T) {
	f, err := open(t, "\nINSERT INTO t VALUES (1);")
	require.NoError(t, err)
	for _, err := range f.Rows(context.Background(), "t") {
		require.ErrorContains(t, err, "line 2")
	}
}

func TestLimits(t *testing.T) {
	small := sqldump.Limits{Value: 4, Row: 6, Columns: 2, Tables: 1, Regions: 1}
	for name, dump := range map[string]string{
		"value":   "INSERT INTO t (a) VALUES ('12345');",
		"number":  "INSERT INTO t (a) VALUES (12345);",
		"hex":     "INSERT INTO t (a) VALUES (0x3132333435);",
		"row":     "INSERT INTO t (a,b) VALUES ('1234','123');",
		"values":  "INSERT INTO t (a) VALUES (1,2,3);",
		"columns": "INSERT INTO t (a,b,c) VALUES (1);",
		"tables":  "INSERT INTO t (a) VALUES (1); INSERT INTO u (a) VALUES (1);",
		"regions": "INSERT INTO t (a) VALUES (1); COMMIT; INSERT INTO t (a) VALUES (1);",
		"name":    "INSERT INTO t (`" + strings.Repeat("x", 300) + "`) VALUES (1);",
	} {
		f, err := sqldump.Open(context.Background(), strings.NewReader(dump), int64(len(dump)), small, nil)
		if err == nil {
			for _, err = range f.Rows(context.Background(), "t") {
				if err != nil {
					break
				}
			}
		}
		e, ok := domain.AsError(err)
		require.True(t, ok, name)
		require.Equal(t, "dump.limit", e.Code, name)
		require.NotContains(t, e.Message, "12345")
	}
}

// The window is 256 KiB: whatever stands across its edge reads the same.
func TestTokensAcrossTheWindow(t *testing.T) {
	const row = "(7,'it''s \\'x\\' -- ; /* é',NULL,-12.5)"
	for pad := 256<<10 - 80; pad < 256<<10+8; pad++ {
		dump := "/*" + strings.Repeat("x", pad) + "*/ INSERT INTO t (a,b,c,d) VALUES " + row + "," + row + ";"
		require.Equal(t, []string{
			"1@1 a=7 b=it's 'x' -- ; /* é c=~ d=-12.5",
			"2@1 a=7 b=it's 'x' -- ; /* é c=~ d=-12.5",
		}, read(t, dump, "t"))
	}
}

func TestCancelling(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dump := "INSERT INTO t (a) VALUES (1);"
	_, err := sqldump.Open(ctx, strings.NewReader(dump), int64(len(dump)), sqldump.DefaultLimits(), nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestSharedDumps(t *testing.T) {
	dir := testenv.TestData(t)
	for file, want := range map[string]map[string]int{
		"dolibarr/mysqldump_dolibarr_9.0.0.sql":   {"llx_societe": 15, "llx_events": 798, "llx_actioncomm": 189},
		"dolibarr/mysqldump_dolibarr_5.0.0.sql":   {"llx_societe": 15, "llx_events": 762, "llx_actioncomm": 188},
		"dolibarr/mysqldump_dolibarr_3.9.0.sql":   {"llx_societe": 14, "llx_events": 661, "llx_actioncomm": 111},
		"civicrm/civicrm_generated-2026-03.mysql": {"civicrm_contact": 202, "civicrm_email": 189, "civicrm_state_province": 4075},
	} {
		r, err := os.Open(filepath.Join(dir, file))
		require.NoError(t, err)
		defer r.Close()
		info, err := r.Stat()
		require.NoError(t, err)
		f, err := sqldump.Open(context.Background(), r, info.Size(), sqldump.DefaultLimits(), nil)
		require.NoError(t, err)
		for _, name := range f.Tables() {
			n := 0
			for row, err := range f.Rows(context.Background(), name) {
				require.NoError(t, err, name)
				require.False(t, row.Mismatch, name)
				n++
				require.Equal(t, n, row.Number)
			}
			if w, ok := want[name]; ok {
				require.Equal(t, w, n, name)
			}
		}
	}
}

func FuzzDump(f *testing.F) {
	f.Add("INSERT INTO t (a) VALUES (1,'x\\'',NULL,0x41,X'41',_utf8'x',now());")
	f.Add("-- PostgreSQL database dump\nCOPY t (a) FROM stdin;\n1\\t\n\\.\n")
	f.Add("CREATE TABLE t (a int, key (a));INSERT INTO t VALUES ('a'::text,$a$b$a$);DELIMITER ;;\n;;\nDELIMITER ;\n")
	limits := sqldump.Limits{Value: 64, Row: 256, Columns: 8, Tables: 4, Regions: 4}
	f.Fuzz(func(t *testing.T, dump string) {
		file, err := sqldump.Open(context.Background(), strings.NewReader(dump), int64(len(dump)), limits, nil)
		if err != nil {
			return
		}
		for _, name := range file.Tables() {
			n := 0
			for row, err := range file.Rows(context.Background(), name) {
				if err != nil {
					break
				}
				if n++; row.Number != n || len(row.Values) > limits.Columns || row.Mismatch != (len(row.Values) != len(row.Columns)) {
					t.Fatalf("row %d: %d values, %d columns", row.Number, len(row.Values), len(row.Columns))
				}
			}
		}
	})
}

func BenchmarkRows(b *testing.B) {
	row := "(12,'2012-07-08 14:21:44','Some Body','somebody@example.org',NULL,0,'a note\\nwith two lines'),"
	dump := "INSERT INTO t (a,b,c,d,e,f,g) VALUES " + strings.Repeat(row, 20000) + row[:len(row)-1] + ";\n"
	b.SetBytes(int64(len(dump)))
	for b.Loop() {
		f, err := open(b, dump)
		require.NoError(b, err)
		for _, err := range f.Rows(context.Background(), "t") {
			require.NoError(b, err)
		}
	}
}
