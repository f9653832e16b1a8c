package record

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync/atomic"

	"lethe/domain"
	"lethe/domain/subject"
	"lethe/internal/importer/source"
	"lethe/internal/importer/sqldump"
)

// Step reads one table.
type Step struct {
	Stored string      // its name in the file
	Name   domain.Name // its name in reports
	Key    []string    // its primary key's column, over the versions
	// Map fills in what the record means. The row's place, key, purpose-free
	// provenance and raw form are filled in already.
	Map func(*Record, *source.Row)
}

// Dump is an opened dump and how much of it was read. Its progress covers the
// pass that Open made and one pass of Emit.
type Dump struct {
	*sqldump.File
	size  int64
	read  atomic.Int64
	total atomic.Int64
	// base is what was read before Emit.
	base int64
}

// Open indexes the dump.
func Open(ctx context.Context, r io.ReaderAt, size int64) (*Dump, error) {
	d := &Dump{size: size}
	d.total.Store(2 * size) // until Ready knows better
	f, err := sqldump.Open(ctx, r, size, sqldump.DefaultLimits(), func(n int64) { d.read.Add(n) })
	if err != nil {
		return nil, err
	}
	d.File = f
	return d, nil
}

// Ready says that the references were read and which steps follow.
func (d *Dump) Ready(steps []Step) {
	d.base = d.read.Load()
	total := d.base
	for _, s := range steps {
		total += d.Bytes(s.Stored)
	}
	d.total.Store(total)
}

// Progress tells the bytes read of those that there are to read.
func (d *Dump) Progress() (read, total int64) {
	total = d.total.Load()
	return min(d.read.Load(), total), total
}

// Gaps tells what speaks for a part of a dump: each step of the expected
// tables that the file lacks, and the writer's last line when that is missing,
// noted at the table of the steps that comes last in the file.
func (d *Dump) Gaps(steps []Step, expected []domain.Name) (gaps []source.Gap) {
	last, at := domain.Name(""), -1
	for _, s := range steps {
		if i := slices.Index(d.Tables(), s.Stored); i > at {
			last, at = s.Name, i
		} else if i < 0 && slices.Contains(expected, s.Name) {
			gaps = append(gaps, source.Gap{Table: s.Name, Rule: source.RuleTableMissing})
		}
	}
	if !d.Ended() && at >= 0 {
		gaps = append(gaps, source.Gap{Table: last, Rule: source.RuleDumpEnd})
	}
	return gaps
}

// Each calls fn for every record of a table, for tables that others refer to.
// It is an error when there are more than most rows (0 = no bound).
func (d *Dump) Each(ctx context.Context, table string, most int, fn func(*Record)) error {
	var x columnIndex
	for row, err := range d.Rows(ctx, table) {
		if err != nil {
			return err
		}
		if most > 0 && row.Number > most {
			return domain.Invalid("dump.limit", "file", "a table of codes has more than %d rows", most)
		}
		if !row.Mismatch {
			fn(x.record(row))
		}
	}
	return nil
}

// Emit yields the rows of the steps in their order, those after the place.
// Earlier records are still mapped, since later tables refer to them.
func (d *Dump) Emit(ctx context.Context, steps []Step, after source.Place, secret func(string) bool) iter.Seq2[*source.Row, error] {
	return func(yield func(*source.Row, error) bool) {
		d.read.Store(d.base)
		past := after.IsZero()
		for _, step := range steps {
			var x columnIndex
			for row, err := range d.Rows(ctx, step.Stored) {
				if err != nil {
					yield(nil, err)
					return
				}
				out := step.row(x.record(row), row, secret)
				if past && !yield(out, nil) {
					return
				}
				past = past || after == source.Place{Table: out.Table, Number: out.Number}
			}
		}
		if !past {
			yield(nil, errors.New("finding the place to go on from: the file does not have it"))
		}
	}
}

// row fills in what every row has and then asks the step.
func (s *Step) row(r *Record, row sqldump.Row, secret func(string) bool) *source.Row {
	out := &source.Row{
		Table: s.Name, Number: row.Number, Line: row.Line, Key: r.Text(s.Key...),
		Acquired: subject.FromMigration,
		Columns:  row.Columns, Raw: r.Raw(secret),
	}
	if row.Mismatch {
		out.Key = ""
		out.Refusals = append(out.Refusals, source.Finding{Rule: source.RuleColumnCount})
		return out
	}
	out.Person = source.Key{Table: s.Name, ID: out.Key}
	if out.Key == "" {
		out.Refusals = append(out.Refusals, source.Finding{Rule: source.RuleNoKey})
		return out
	}
	s.Map(r, out)
	return out
}
