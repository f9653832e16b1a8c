package importer

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"lethe/domain"
	"lethe/internal/importer/source"
	"lethe/internal/keyring"
)

// queued bounds the rows that wait for one worker.
const queued = 4

// rows takes all rows through the import:
//
//	read → claim (by the batch) → decide and append (by person) → book (in the
//	file's order) → close claims (by the batch)
//
// Rows of one person go to one worker and so keep their order.
func (r *run) rows(ctx context.Context) (*book, error) {
	book, err := newBook(r)
	if err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	batches := make(chan []*source.Row, 2)
	results := make(chan *result, r.job.Workers)
	finished := make(chan []keyring.ImportClaim, 4)
	g.Go(func() error { defer close(batches); return r.read(ctx, batches) })

	work, wctx := errgroup.WithContext(ctx)
	lanes := make([]chan *task, r.job.Workers)
	for i := range lanes {
		lanes[i] = make(chan *task, queued)
		work.Go(func() error { return r.work(wctx, lanes[i], results) })
	}
	work.Go(func() error {
		defer func() {
			for _, lane := range lanes {
				close(lane)
			}
		}()
		return r.assign(wctx, batches, lanes)
	})
	g.Go(func() error { defer close(results); return work.Wait() })
	g.Go(func() error { defer close(finished); return book.keep(ctx, results, finished) })
	g.Go(func() error { return r.closeClaims(ctx, finished) })
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	return book, book.flush()
}

// read cuts the source's rows into batches.
func (r *run) read(ctx context.Context, out chan<- []*source.Row) error {
	batch := make([]*source.Row, 0, batchRows)
	send := func() error {
		select {
		case out <- batch:
			batch = make([]*source.Row, 0, batchRows)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for row, err := range r.src.Rows(ctx, source.Place{}) {
		if err != nil {
			return fmt.Errorf("reading the file: %w", err)
		}
		if batch = append(batch, row); len(batch) == batchRows {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}

// assign gives the rows of each batch their claims and hands them out.
func (r *run) assign(ctx context.Context, batches <-chan []*source.Row, lanes []chan *task) error {
	c := &claimer{run: r, seen: map[uint64]struct{}{}}
	for batch := range batches {
		tasks, err := c.claim(ctx, batch)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			lane := lanes[binary.BigEndian.Uint32(t.person[:])%uint32(len(lanes))] //nolint:gosec // few
			select {
			case lane <- t:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return ctx.Err()
}

func (r *run) work(ctx context.Context, lane <-chan *task, results chan<- *result) error {
	for t := range lane {
		x := r.do(ctx, t)
		if x.err != nil {
			return x.err
		}
		select {
		case results <- x:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// closeClaims marks rows done, after their append was acknowledged.
func (r *run) closeClaims(ctx context.Context, in <-chan []keyring.ImportClaim) error {
	for claims := range in {
		if err := r.crash("closing claims"); err != nil {
			return err
		}
		// Neighbours in the table go in together: fewer pages are touched.
		slices.SortFunc(claims, func(a, b keyring.ImportClaim) int { return bytes.Compare(a.Key[:], b.Key[:]) })
		if err := r.Keys.FinishImports(ctx, claims); err != nil {
			return domain.Internal("closing claims", err)
		}
		if err := r.crash("claims closed"); err != nil {
			return err
		}
	}
	return nil
}

// claimer finds and makes the claims of rows.
type claimer struct {
	*run
	next  int
	seen  map[uint64]struct{} // of the keys of rows, which are keyed hashes already
	stale bool                // the last batch had claims: look before reserving
}

func (c *claimer) claim(ctx context.Context, batch []*source.Row) ([]*task, error) {
	tasks := make([]*task, len(batch))
	for i, row := range batch {
		tasks[i] = c.task(row)
	}
	found := map[keyring.SourceKey]keyring.ImportClaim{}
	if err := c.find(ctx, tasks, found); err != nil {
		return nil, err
	}
	if err := c.suppress(ctx, tasks, found); err != nil {
		return nil, err
	}
	if err := c.reserve(ctx, tasks, found); err != nil {
		return nil, err
	}
	for _, t := range tasks {
		if t.idle() {
			continue
		}
		if claim, ok := found[t.own]; ok && !(t.fresh && t.own == t.person) {
			t.claim = &claim
		}
		if claim, ok := found[t.person]; ok {
			t.token = claim.Token
		}
		t.paper = c.job.DryRun && t.token == ""
	}
	return tasks, c.provision(ctx, tasks)
}

// provision makes the keys of the people who are new, by the batch: one by one
// each would be looked for first.
func (c *claimer) provision(ctx context.Context, tasks []*task) error {
	var wanted []keyring.Compartment
	for _, t := range tasks {
		if !t.fresh {
			continue
		}
		owner, from := t.token.Stream(), len(wanted)
		wanted = append(wanted, keyring.Compartment{Owner: owner, Group: domain.EvidenceGroup})
		for i := range t.row.Fields {
			f, ok := c.cat.Field(t.row.Fields[i].Name)
			if ok && !slices.ContainsFunc(wanted[from:], func(k keyring.Compartment) bool { return k.Group == f.Group }) {
				wanted = append(wanted, keyring.Compartment{Owner: owner, Group: f.Group})
			}
		}
	}
	for chunk := range slices.Chunk(wanted, keyring.MaxProvision) {
		if _, err := c.Keys.Provision(ctx, chunk); err != nil {
			return domain.Internal("making keys", err)
		}
	}
	return c.crash("keys made")
}

// idle rows get no claim: nothing is recorded for them.
func (t *task) idle() bool {
	return t.row.LeftOut != "" || len(t.row.Refusals) > 0 || t.duplicate || t.suppressed
}

func (c *claimer) task(row *source.Row) *task {
	t := &task{seq: c.next, row: row}
	c.next++
	if row.Key == "" {
		return t
	}
	system := c.src.System()
	t.own = c.Keys.SourceKeyOf(system, row.Table, row.Key)
	t.person = t.own
	if row.Person.Table != row.Table || row.Person.ID != row.Key {
		t.person = c.Keys.SourceKeyOf(system, row.Person.Table, row.Person.ID)
	}
	short := binary.BigEndian.Uint64(t.own[:])
	_, t.duplicate = c.seen[short]
	c.seen[short] = struct{}{}
	return t
}

// find reads the claims there are. Rows that create a person are not looked
// up while none of those before them was there: reserving tells as well.
func (c *claimer) find(ctx context.Context, tasks []*task, found map[keyring.SourceKey]keyring.ImportClaim) error {
	wanted := map[keyring.SourceKey]struct{}{}
	for _, t := range tasks {
		if t.idle() {
			continue
		}
		if c.stale || c.job.DryRun || c.resumed || !t.row.Creates {
			wanted[t.own], wanted[t.person] = struct{}{}, struct{}{}
		}
	}
	keys := make([]keyring.SourceKey, 0, len(wanted))
	for k := range wanted {
		keys = append(keys, k)
	}
	claims, err := c.Keys.ImportClaims(ctx, keys)
	if err != nil {
		return domain.Internal("reading claims", err)
	}
	for k, claim := range claims {
		found[k] = claim
	}
	return nil
}

// reserve claims the people whom rows create, durably, before anything is
// appended for them.
func (c *claimer) reserve(ctx context.Context, tasks []*task, found map[keyring.SourceKey]keyring.ImportClaim) error {
	var wanted []keyring.Reservation
	var of []*task
	for _, t := range tasks {
		if _, there := found[t.person]; there || t.idle() || !t.row.Creates || c.job.DryRun {
			continue
		}
		token, err := domain.NewToken(c.Rand)
		if err != nil {
			return err
		}
		wanted, of = append(wanted, keyring.Reservation{Key: t.person, Token: token}), append(of, t)
	}
	if len(wanted) == 0 {
		return nil
	}
	claims, err := c.Keys.ReserveImports(ctx, wanted)
	if err != nil {
		return domain.Internal("reserving claims", err)
	}
	c.stale = false
	for i, claim := range claims {
		of[i].fresh = !claim.Done && claim.Token == wanted[i].Token
		c.stale = c.stale || !of[i].fresh
		found[claim.Key] = claim
	}
	return c.crash("claims reserved")
}
