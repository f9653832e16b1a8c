package keyring

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"lethe/domain"
	"lethe/domain/personal"
	"lethe/internal/part"
)

// readStatements are the key store's queries outside the write connection.
type readStatements struct {
	generation, newest, owner, owners, page, fence, state, mark, marks *sql.Stmt
}

func (r *readStatements) prepare(ctx context.Context, db *sql.DB) error {
	const keys = "SELECT " + keyColumns + " FROM keys WHERE owner = ?"
	err := prepare(ctx, db, []query{
		{&r.generation, keys + " AND grp = ? AND generation = ?"},
		{&r.newest, keys + " AND grp = ? ORDER BY generation DESC LIMIT 1"},
		{&r.owner, keys + " ORDER BY grp, generation"},
		{&r.owners, "SELECT " + keyColumns + ", key_id IN (SELECT key_id FROM fences) FROM keys WHERE owner IN (" + placeholders("?", chunkRows) + ")"},
		{&r.page, "SELECT " + keyColumns + " FROM keys WHERE (owner, grp, generation) > (?, ?, ?) AND owner < ? ORDER BY owner, grp, generation LIMIT ?"},
		{&r.fence, "SELECT " + fenceColumns + " FROM fences WHERE key_id = ? OR fingerprint = ?"},
		{&r.state, selectState},
		{&r.mark, "SELECT " + markColumns + " FROM marks WHERE mac = ?"},
		{&r.marks, "SELECT " + markColumns + " FROM marks WHERE mac IN (" + placeholders("?", chunkRows) + ")"},
	})
	if err != nil {
		return fmt.Errorf("preparing to read the key store: %w", err)
	}
	return nil
}

func (r *readStatements) close() error {
	return closeAll(r.generation, r.newest, r.owner, r.owners, r.page, r.fence, r.state, r.mark, r.marks)
}

// alarms counts what must never happen and logs it, once a second at most.
type alarms struct {
	missing, tampered, integrity atomic.Uint64
	logged                       atomic.Int64
}

// Alarms are how often a part found no key, did not authenticate, or met a
// damaged row of the key store. Each should be 0.
type Alarms struct{ KeyMissing, Tampered, Integrity uint64 }

// Alarms returns the counts since the keyring was opened.
func (k *Keyring) Alarms() Alarms {
	return Alarms{
		KeyMissing: k.alarms.missing.Load(), Tampered: k.alarms.tampered.Load(), Integrity: k.alarms.integrity.Load(),
	}
}

func (k *Keyring) alarm(ctx context.Context, count *atomic.Uint64, what string, args ...any) {
	count.Add(1)
	now, last := k.opts.Now().UnixNano(), k.alarms.logged.Load()
	if now-last >= int64(time.Second) && k.alarms.logged.CompareAndSwap(last, now) {
		k.opts.Logger.ErrorContext(ctx, what, args...)
	}
}

// refresh makes sure that fence_seq was read within the last second, and
// empties the cache when another process destroyed keys.
func (k *Keyring) refresh(ctx context.Context) error {
	now := k.opts.Now()
	if k.fresh(now) {
		return nil
	}
	k.checkMu.Lock()
	defer k.checkMu.Unlock()
	if k.fresh(now) {
		return nil
	}
	st, err := scanState(&k.secrets, k.read.state.QueryRowContext(ctx).Scan)
	if err != nil {
		return err
	}
	if k.known.Swap(st.fenceSeq) != st.fenceSeq {
		k.cache.flush()
	}
	if committed := epochSequence(st.epochSeq); k.epochs.Load().sequence != committed {
		if err := k.reloadEpochs(committed); err != nil {
			return err
		}
	}
	k.checked.Store(&now) // from before the read: what came after it is not known
	return nil
}

func (k *Keyring) fresh(now time.Time) bool {
	last := k.checked.Load()
	if last == nil {
		return false
	}
	age := now.Sub(*last)
	return age >= 0 && age < freshness
}

// Open opens one sealed value: Present, Erased, KeyMissing or Tampered. The
// error is for trouble with the store only, and then nothing is known of the
// value. Opening records nothing: callers answer for why they open.
func (k *Keyring) Open(ctx context.Context, ref *personal.Ref) (personal.Value, error) {
	text, secret, state, err := k.openPart(ctx, ref)
	clear(secret[:])
	switch {
	case err != nil:
		return personal.Value{}, err
	case state != personal.Present:
		return personal.Unreadable(state), nil
	}
	return personal.Of(text), nil
}

// Secret gives the secret S of one sealed value, with which part.Open opens
// it and nothing else. The state is Open's: S is there only when it is
// Present, since the value is opened first, so that no S is given that does
// not open its part. What was given cannot be taken back; callers answer for
// it as for opening.
func (k *Keyring) Secret(ctx context.Context, ref *personal.Ref) (part.Secret, personal.State, error) {
	_, secret, state, err := k.openPart(ctx, ref)
	return secret, state, err
}

// openPart opens a part with its own secret. Text and secret are there only
// when the state is Present.
func (k *Keyring) openPart(ctx context.Context, ref *personal.Ref) (text string, secret part.Secret, state personal.State, err error) {
	h, err := part.Parse(ref.Part)
	if err != nil {
		k.alarm(ctx, &k.alarms.tampered, "a sealed part is malformed", "event", domain.ID(ref.EventID).String())
		return "", secret, personal.Tampered, nil
	}
	key, state, err := k.keyOf(ctx, &h)
	if err != nil {
		return "", secret, 0, fmt.Errorf("finding the key of a sealed part: %w", err)
	}
	if key == nil {
		return "", secret, state, nil
	}
	text, secret, ok := key.open(&h, ref)
	if !ok {
		k.alarm(ctx, &k.alarms.tampered, "a sealed part does not authenticate", "event", domain.ID(ref.EventID).String(), "key", h.KeyID.String())
		return "", secret, personal.Tampered, nil
	}
	return text, secret, personal.Present, nil
}

// keyOf finds a part's key, or says why there is none.
func (k *Keyring) keyOf(ctx context.Context, h *part.Header) (*Key, personal.State, error) {
	if err := k.refresh(ctx); err != nil {
		return nil, 0, err
	}
	if key := k.cache.key(h.KeyID, k.opts.Now()); key != nil {
		if key.compartment != compartmentOf(h) || key.generation != h.Generation {
			k.alarm(ctx, &k.alarms.tampered, "a sealed part names a key of another compartment", "key", h.KeyID.String())
			return nil, personal.Tampered, nil
		}
		return key, personal.Present, nil
	}
	version := k.cache.at()
	key, err := k.rowKey(ctx, &h.KeyID, func(row *keyRow) error {
		return row.scan(k.read.generation.QueryRowContext(ctx, rowOwner(h.Owner), h.Group, h.Generation).Scan)
	})
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, errDead) || key == nil && err == nil {
		return k.without(ctx, h)
	}
	if integrity := (*IntegrityError)(nil); errors.As(err, &integrity) {
		k.alarm(ctx, &k.alarms.integrity, integrity.Error(), "key", h.KeyID.String())
		return nil, personal.Tampered, nil
	}
	if errors.Is(err, errFenced) {
		return nil, personal.Erased, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return k.cache.put(key, false, version, k.opts.Now()), personal.Present, nil
}

// without tells erased from lost when there is no key: erased is only what a
// fence names.
func (k *Keyring) without(ctx context.Context, h *part.Header) (*Key, personal.State, error) {
	fence, err := k.fenceOf(ctx, h.KeyID, nil)
	if integrity := (*IntegrityError)(nil); errors.As(err, &integrity) {
		k.alarm(ctx, &k.alarms.integrity, integrity.Error(), "key", h.KeyID.String())
		return nil, personal.Tampered, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if fence != nil {
		return nil, personal.Erased, nil
	}
	k.alarm(ctx, &k.alarms.missing, "a key is missing and was not destroyed: a key store was lost or restored too old", "key", h.KeyID.String())
	return nil, personal.KeyMissing, nil
}

var errFenced = errors.New("the key is fenced")

// fenceOf finds the fence of a key ID or of a key's fingerprint, nil when
// there is none.
func (k *Keyring) fenceOf(ctx context.Context, id KeyID, fingerprint []byte) (*fenceRow, error) {
	var f fenceRow
	if fingerprint == nil {
		fingerprint = id[:] // of another length: matches no fingerprint
	}
	err := f.scan(k.read.fence.QueryRowContext(ctx, id[:], fingerprint).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // no fence is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("reading a fence: %w", err)
	}
	if !equal(k.secrets.rowMAC(f.message()), f.mac) {
		return nil, &IntegrityError{Table: "fences", Row: "the MAC of the fence of key " + f.id.String() + " is wrong"}
	}
	return &f, nil
}

// unwrapRow opens a live row's key. errFenced when a fence names the key: a
// row that somebody put back.
func (k *Keyring) unwrapRow(ctx context.Context, row *keyRow) (*Key, error) {
	key, err := k.unwrapLocal(row)
	if err != nil {
		return nil, err
	}
	fp, _ := key.fingerprint()
	fence, err := k.fenceOf(ctx, row.id, fp[:])
	if err != nil {
		return nil, err
	}
	if fence != nil {
		key.wipe()
		k.alarm(ctx, &k.alarms.integrity, "a destroyed key was put back into the key store and is not used", "key", row.id.String())
		return nil, errFenced
	}
	return key, nil
}

// unwrapLocal checks a row's MAC and opens its key, without asking for fences.
func (k *Keyring) unwrapLocal(row *keyRow) (*Key, error) {
	if err := k.checkRow(row); err != nil {
		return nil, err
	}
	e, err := k.epochOf(row)
	if err != nil {
		return nil, err
	}
	dek, err := unwrap(e.aead, row.context(nil, k.storeID), row.wrapped)
	if err != nil {
		return nil, &IntegrityError{Table: "keys", Row: "key " + row.id.String() + " does not unwrap"}
	}
	return &Key{compartment: row.c, id: row.id, generation: row.generation, dek: dek}, nil
}

// epochOf finds the epoch key of a row, also one that another process has made
// since. errDead when it was deleted.
func (k *Keyring) epochOf(row *keyRow) (*epoch, error) {
	bucket := bucketOf(row.c.Owner)
	for range 2 {
		now := k.epochs.Load()
		if e, ok := now.find(bucket, row.epoch); ok {
			return e, nil
		}
		if _, ok := now.deleted(bucket, row.epoch); ok {
			return nil, errDead
		}
		if err := k.reloadEpochs(anySequence); err != nil {
			return nil, err
		}
	}
	return nil, &IntegrityError{Table: "keys", Row: fmt.Sprintf("key %s is wrapped by epoch key %d, which is nowhere", row.id, row.epoch)}
}

// rowKey reads a row and opens its key, nil when the row is fenced or names
// another key than id (nil: any). errDead when its epoch key was deleted, and
// that not between reading the row and opening it.
func (k *Keyring) rowKey(ctx context.Context, id *KeyID, read func(*keyRow) error) (key *Key, err error) {
	for range 3 {
		var row keyRow
		if err := read(&row); err != nil {
			return nil, err
		}
		if row.fenced || id != nil && row.id != *id {
			return nil, nil //nolint:nilnil // no such key
		}
		if key, err = k.unwrapRow(ctx, &row); !errors.Is(err, errDead) {
			return key, err
		}
	}
	return nil, err
}

// rowNow opens the key that the row of another state has by now, nil when it
// was destroyed. An *IntegrityError when its epoch key was deleted.
func (k *Keyring) rowNow(old *keyRow) (*Key, error) {
	ctx := context.Background()
	key, err := k.rowKey(ctx, nil, func(row *keyRow) error {
		return row.scan(k.read.generation.QueryRowContext(ctx, rowOwner(old.c.Owner), string(old.c.Group), int64(old.generation)).Scan)
	})
	if errors.Is(err, errDead) {
		err = &IntegrityError{Table: "keys", Row: fmt.Sprintf("key %s is wrapped by epoch key %d, which was deleted", old.id, old.epoch)}
	}
	if errors.Is(err, errFenced) {
		return nil, nil //nolint:nilnil // destroyed
	}
	return key, err
}

// scanKeys reads rows of keys and closes them.
func scanKeys(rows *sql.Rows) (all []keyRow, err error) {
	defer rows.Close() //nolint:errcheck // read only
	for rows.Next() {
		var row keyRow
		if err := row.scan(rows.Scan); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func (k *Keyring) checkRow(row *keyRow) error {
	if !equal(k.secrets.rowMAC(row.message(nil)), row.mac) {
		return &IntegrityError{Table: "keys", Row: "the MAC of key " + row.id.String() + " is wrong"}
	}
	return nil
}

// KeyInfo names a key without holding it.
type KeyInfo struct {
	Compartment Compartment
	Generation  uint32
	ID          KeyID
	Fenced      bool
}

// Keys lists every key an owner ever had, by group and generation.
func (k *Keyring) Keys(ctx context.Context, owner string) ([]KeyInfo, error) {
	rows, err := k.read.owner.QueryContext(ctx, rowOwner(owner))
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	all, err := scanKeys(rows)
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	infos := make([]KeyInfo, len(all))
	for i := range all {
		row := &all[i]
		if err := k.checkRow(row); err != nil {
			return nil, err
		}
		infos[i] = KeyInfo{Compartment: row.c, Generation: row.generation, ID: row.id, Fenced: row.fenced}
	}
	return infos, nil
}

// Fenced tells an owner's retention groups, true for those that were erased.
// What this process erased shows at once, what another one did within a
// second. Groups that never had a key are not in it, and one that has got its
// first key lately may be missing. The map is shared and must not be changed.
func (k *Keyring) Fenced(ctx context.Context, owner string) (map[domain.Name]bool, error) {
	if err := k.refresh(ctx); err != nil {
		return nil, fmt.Errorf("reading fences: %w", err)
	}
	if groups, ok := k.cache.fencedOf(owner, k.opts.Now()); ok {
		return groups, nil
	}
	version := k.cache.at()
	infos, err := k.Keys(ctx, owner)
	if err != nil {
		return nil, err
	}
	groups := make(map[domain.Name]bool, len(infos))
	for _, i := range infos { // in order of generation: the newest stays
		groups[i.Compartment.Group] = i.Fenced
	}
	k.cache.putFenced(owner, groups, version, k.opts.Now())
	return groups, nil
}
