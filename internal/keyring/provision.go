package keyring

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// provisionBatch is the number of keys after which a transaction takes no
	// more waiting callers.
	provisionBatch = 16_384
	// MaxProvision bounds the compartments of one call.
	MaxProvision = 65_536
	// readFirst is up to how many compartments are looked up before a write
	// transaction is thought of: interactive callers mostly have their keys.
	readFirst = 8
)

type provisionJob struct {
	of   []Compartment
	keys []*Key // result, as of
	err  error  // its own: *FencedError
}

func (j *provisionJob) weight() int { return len(j.of) }

// Provision returns the live key of each compartment, making the keys that
// are not there yet. When it returns, the keys are durable: what is sealed
// with them may be appended. Callers share transactions. A *FencedError names
// the compartments that were erased; no key was made for them, while others
// may have got theirs, which stay and are used by the next call.
func (k *Keyring) Provision(ctx context.Context, of []Compartment) ([]*Key, error) {
	if len(of) > MaxProvision {
		return nil, fmt.Errorf("provisioning: %d compartments are more than %d", len(of), MaxProvision)
	}
	if err := k.refresh(ctx); err != nil {
		return nil, fmt.Errorf("provisioning: %w", err)
	}
	keys := make([]*Key, len(of))
	var missing []int
	now := k.opts.Now()
	for i, c := range of {
		if keys[i] = k.cache.liveKey(c, now); keys[i] == nil {
			if !c.Valid() {
				return nil, fmt.Errorf("provisioning: compartment %d is malformed", i)
			}
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 && len(missing) <= readFirst {
		var err error
		if missing, err = k.readKeys(ctx, of, keys, missing); err != nil {
			return nil, fmt.Errorf("provisioning: %w", err)
		}
	}
	if len(missing) == 0 {
		return keys, nil
	}
	job := &provisionJob{of: make([]Compartment, len(missing))}
	for i, at := range missing {
		job.of[i] = of[at]
	}
	if err := k.group.do(ctx, job); err != nil {
		return nil, fmt.Errorf("provisioning: %w", err)
	}
	if job.err != nil {
		return nil, job.err
	}
	for i, at := range missing {
		keys[at] = job.keys[i]
	}
	return keys, nil
}

// readKeys fills in the keys that the store has, and returns what is missing
// still: what has no row, and what has no live one, which the transaction
// decides.
func (k *Keyring) readKeys(ctx context.Context, of []Compartment, keys []*Key, missing []int) ([]int, error) {
	var still []int
	for _, at := range missing {
		version := k.cache.at()
		key, err := k.rowKey(ctx, nil, func(row *keyRow) error {
			return row.scan(k.read.newest.QueryRowContext(ctx, rowOwner(of[at].Owner), of[at].Group).Scan)
		})
		if errors.Is(err, sql.ErrNoRows) || errors.Is(err, errFenced) || key == nil && err == nil {
			still = append(still, at)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading a key: %w", err)
		}
		keys[at] = k.cache.put(key, true, version, k.opts.Now())
	}
	return still, nil
}

// provision is one transaction for all waiting jobs.
func (k *Keyring) provision(jobs []*provisionJob) error {
	unique := map[Compartment]*Key{}
	for _, j := range jobs {
		for _, c := range j.of {
			unique[c] = nil
		}
	}
	order := make([]Compartment, 0, len(unique))
	for c := range unique {
		order = append(order, c)
	}
	// Neighbours in the table go in together: fewer pages are touched.
	slices.SortFunc(order, func(a, b Compartment) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Group, b.Group))
	})
	k.writeMu.Lock()
	defer k.writeMu.Unlock()
	if k.writer == nil {
		return ErrClosed
	}
	version := k.cache.at()
	if err := k.writer.tx(func() error { return k.provisionAll(order, unique) }); err != nil {
		return err
	}
	now := k.opts.Now()
	for c, key := range unique {
		if key != nil {
			unique[c] = k.cache.put(key, true, version, now)
		}
	}
	for _, j := range jobs {
		j.answer(unique)
	}
	return nil
}

func (j *provisionJob) answer(keys map[Compartment]*Key) {
	j.keys = make([]*Key, len(j.of))
	var fenced []Compartment
	for i, c := range j.of {
		if j.keys[i] = keys[c]; keys[c] == nil {
			fenced = append(fenced, c)
		}
	}
	if fenced != nil {
		j.err = &FencedError{Compartments: fenced}
	}
}

func (k *Keyring) provisionAll(order []Compartment, into map[Compartment]*Key) error {
	st, err := readState(k.writer, &k.secrets)
	if err != nil {
		return err
	}
	changed, err := k.followEpochs(st)
	if err != nil {
		return err
	}
	for len(order) > 0 {
		n := chunkOf(len(order))
		inserted, err := k.provisionChunk(st, order[:n], into)
		if err != nil {
			return err
		}
		changed = changed || inserted
		order = order[n:]
	}
	if !changed {
		return nil
	}
	return writeState(k.writer, &k.secrets, st)
}

// chunkOf is how many rows one statement takes of n: few shapes, so that few
// statements are prepared.
func chunkOf(n int) int {
	if n >= chunkRows {
		return chunkRows
	}
	return 1
}

const chunkRows = 16 // more is slower: the driver binds n parameters in n² steps

// provisionChunk inserts a new key for each compartment that has no row, then
// reads what the others have.
func (k *Keyring) provisionChunk(st *state, chunk []Compartment, into map[Compartment]*Key) (bool, error) {
	keys, rows, err := k.drawKeys(chunk)
	if err != nil {
		return false, err
	}
	var inserted int64
	first := true
	if st.fences.count > 0 {
		if err := k.refuseFenced(keys); err != nil {
			return false, err
		}
	}
	if st.gaps > 0 {
		if first, err = k.mayBeFirst(chunk); err != nil {
			return false, err
		}
		if !first && len(chunk) > 1 {
			return k.provisionSingly(st, chunk, into)
		}
	}
	if first {
		if inserted, err = k.insertKeys(rows); err != nil {
			return false, err
		}
	}
	if inserted == int64(len(chunk)) {
		for i, key := range keys {
			into[chunk[i]] = key
			st.keys.add(rows[i].mac)
		}
		return true, nil
	}
	for i, c := range chunk {
		standing, err := k.newest(c)
		if err != nil {
			return false, err
		}
		switch {
		case standing.id == keys[i].id:
			into[c] = keys[i]
			st.keys.add(rows[i].mac)
			continue
		case !standing.fenced:
			if into[c], err = k.standingKey(&standing); err != nil {
				return false, err
			}
		}
		keys[i].wipe()
	}
	return inserted > 0, nil
}

// provisionSingly is provisionChunk for one compartment after the other.
func (k *Keyring) provisionSingly(st *state, chunk []Compartment, into map[Compartment]*Key) (changed bool, err error) {
	for i := range chunk {
		inserted, err := k.provisionChunk(st, chunk[i:i+1], into)
		if err != nil {
			return false, err
		}
		changed = changed || inserted
	}
	return changed, nil
}

// mayBeFirst reports that no compartment has a later generation than the
// first. Where one has, its first may have been lost, and a key in that place
// would stand below a fence.
func (k *Keyring) mayBeFirst(chunk []Compartment) (bool, error) {
	args := make([]any, 0, 2*len(chunk))
	for _, c := range chunk {
		args = append(args, rowOwner(c.Owner), string(c.Group))
	}
	var n int
	err := k.writer.row("SELECT count(*) FROM keys WHERE generation > 1 AND (owner, grp) IN (VALUES "+placeholders("(?,?)", len(chunk))+")", args, &n)
	if err != nil {
		return false, fmt.Errorf("reading generations: %w", err)
	}
	return n == 0, nil
}

// standingKey opens a live row inside the transaction; nil when a fence names
// the key, which counts as fenced.
func (k *Keyring) standingKey(row *keyRow) (*Key, error) {
	key, err := k.unwrapLocal(row)
	if err != nil {
		return nil, err
	}
	fp, _ := key.fingerprint()
	var n int
	if err := k.writer.row("SELECT count(*) FROM fences WHERE key_id = ? OR fingerprint = ?", []any{row.id[:], fp[:]}, &n); err != nil {
		return nil, fmt.Errorf("reading fences: %w", err)
	}
	if n > 0 {
		return nil, nil //nolint:nilnil // fenced
	}
	return key, nil
}

func (k *Keyring) newest(c Compartment) (row keyRow, err error) {
	stmt, err := k.writer.stmt("SELECT " + keyColumns + " FROM keys WHERE owner = ? AND grp = ? ORDER BY generation DESC LIMIT 1")
	if err != nil {
		return row, err
	}
	if err = row.scan(stmt.QueryRow(rowOwner(c.Owner), c.Group).Scan); err != nil {
		return row, fmt.Errorf("reading a key: %w", err)
	}
	return row, k.checkRow(&row)
}

// drawKeys makes a first-generation key and its row for each compartment.
func (k *Keyring) drawKeys(chunk []Compartment) ([]*Key, []keyRow, error) {
	const each = 16 + keySize
	random := make([]byte, each*len(chunk))
	defer clear(random)
	if _, err := io.ReadFull(k.opts.Rand, random); err != nil {
		return nil, nil, fmt.Errorf("drawing keys: %w", err)
	}
	keys, rows := make([]*Key, len(chunk)), make([]keyRow, len(chunk))
	e := k.epochs.Load()
	var scratch [512]byte
	for i, c := range chunk {
		key := &Key{compartment: c, generation: 1}
		copy(key.id[:], random[i*each:])
		copy(key.dek[:], random[i*each+16:])
		live := e.live[bucketOf(c.Owner)]
		row := keyRow{c: c, generation: 1, lifecycle: 1, id: key.id, epoch: live.number}
		row.wrapped = wrap(make([]byte, 0, wrappedSize), live.aead, row.context(scratch[:0], k.storeID), key.dek[:])
		row.mac = k.secrets.rowMAC(row.message(scratch[:0]))
		keys[i], rows[i] = key, row
	}
	return keys, rows, nil
}

// insertKeys inserts live rows of first generations where there is none yet
// and returns how many that were. It says OR IGNORE and not ON CONFLICT DO NOTHING: the latter makes
// SQLite copy every page it touches, so that it could undo the statement.
func (k *Keyring) insertKeys(rows []keyRow) (int64, error) {
	const columns = 6
	args := make([]any, 0, columns*len(rows))
	for i := range rows {
		r := &rows[i]
		args = append(args, rowOwner(r.c.Owner), string(r.c.Group), r.id[:], int64(r.epoch), r.wrapped, r.mac)
	}
	n, err := k.writer.exec("INSERT OR IGNORE INTO keys ("+keyColumns+") VALUES "+placeholders("(?,?,1,1,0,?,?,?,?)", len(rows)), args...)
	if err != nil {
		return 0, fmt.Errorf("inserting keys: %w", err)
	}
	return n, nil
}

// refuseFenced fails when a key to be inserted is one that was destroyed. A
// drawn key never is; one that comes from a copy of the store would be.
func (k *Keyring) refuseFenced(keys []*Key) error {
	args := make([]any, 0, 2*len(keys))
	for _, key := range keys {
		args = append(args, key.id[:])
	}
	for _, key := range keys {
		fp, _ := key.fingerprint()
		args = append(args, fp[:])
	}
	list := placeholders("?", len(keys))
	var n int
	err := k.writer.row("SELECT count(*) FROM fences WHERE key_id IN ("+list+") OR fingerprint IN ("+list+")", args, &n)
	if err != nil {
		return fmt.Errorf("reading fences: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("inserting a key: %w", errFenced)
	}
	return nil
}
