package keyring

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lethe/internal/rootkey"
)

// freshness is how long a cached key is used without asking the store whether
// anything was destroyed. An erasure completes no sooner than twice this.
const freshness = time.Second

// Options of a keyring. Dir, EpochDir, LookupDir and RootKeyFile are needed;
// the directories may be the same, and are made when missing.
type Options struct {
	Dir       string // data keys and fences
	EpochDir  string // epoch keys; should be in no backup
	LookupDir string // blind index and claims; should be in no backup

	// JournalDir holds the erasure journal, and should be in no backup of the
	// key store or of the log; "": no journal. HeadDir holds a second copy of
	// its head, somewhere else; "": none, and a lost journal is an error.
	JournalDir, HeadDir string

	// JournalLost is set by who declares that the journal is gone for good. It is
	// called when Open would fail with ErrJournalMissing and no journal is there,
	// with LogMark, and must not call the keyring. When it agrees, the journal is
	// begun anew from the fences, and what was destroyed behind that mark of the
	// log, which nobody else knows then, is the caller's to destroy again. Its
	// error is Open's, and nothing was changed. KeysCurrent: it is declared that
	// the key store is no older copy, and not that the log is none.
	JournalLost func(logMark uint64) error
	KeysCurrent bool

	// EpochReplicas are other places of the epoch keys, on other disks: losing
	// one place loses nothing.
	EpochReplicas []string
	// RotateEvery is how often the caller rotates the epoch keys; 0: at no set
	// time. PurgeAfter is for how long what lies below the directories, such as
	// snapshots, keeps what was deleted; negative: nobody knows.
	RotateEvery, PurgeAfter time.Duration
	// AcceptDead opens a key store that is older than the epoch keys, whose dead
	// keys then count as lost.
	AcceptDead bool

	// RootKeyFile names the root key, as of package rootkey: "file:PATH", a path,
	// or a key of a service. With CreateRoot a file is made when neither it nor a
	// key store is there. RootPassphraseFile holds the passphrase of a file that
	// has one. RootProviders are further schemes, and Env, for services, is
	// os.LookupEnv when nil.
	RootKeyFile        string
	CreateRoot         bool
	RootPassphraseFile string
	RootProviders      map[string]rootkey.Opener
	Env                func(string) (string, bool)

	Rand      io.Reader        // default: crypto/rand
	Now       func() time.Time // default: time.Now
	Logger    *slog.Logger     // alarms; default: none
	Report    func(string)     // what was survived, such as the loss of a place of epoch keys; default: nobody
	CacheSize int              // keys, default 65,536
	CacheTTL  time.Duration    // default 10 minutes

	// VerifyRows bounds the rows of keys that Open checks; a bigger table is
	// left to Check. Default 100,000 (about half a second); negative: none.
	VerifyRows int

	// step, in tests, is called at each point of a change of the epoch keys at
	// which a crash leaves something else.
	step func()

	// DefaultCountry is the ISO 3166 code that phone numbers without a
	// country prefix belong to. Default: none, such numbers stay digits.
	DefaultCountry string

	crash func(step string) error // set by tests: called after each step of a destruction
}

func (o *Options) setDefaults() {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.step == nil {
		o.step = func() {}
	}
	if o.Report == nil {
		o.Report = func(string) {}
	}
	if o.CacheSize <= 0 {
		o.CacheSize = 1 << 16
	}
	if o.CacheTTL <= 0 {
		o.CacheTTL = 10 * time.Minute
	}
	if o.VerifyRows == 0 {
		o.VerifyRows = 100_000
	}
}

// Keyring is the keys, the lookup and the claims. All methods may be called
// concurrently. Several keyrings, also of several processes, may use one
// store: what one destroys the others refuse within a second.
type Keyring struct {
	opts    Options
	root    cipher.AEAD // the key-encryption key, which the root key wraps
	secrets secrets
	storeID [16]byte
	epochs  atomic.Pointer[epochs]
	epochMu sync.Mutex                                // one reload at a time
	held    atomic.Pointer[map[PlaceID]epochSequence] // where the epoch keys were found last

	scheduled atomic.Bool       // this process rotates as scheduled
	told      map[string]string // what was reported of each place; guarded by writeMu

	rotateMu sync.Mutex // one rotation of this process at a time

	writeMu sync.Mutex // one transaction of this process at a time
	writer  *writer
	reads   *sql.DB
	read    readStatements
	cache   *cache
	group   *committer[*provisionJob]

	checkMu sync.Mutex
	checked atomic.Pointer[time.Time] // when fence_seq was last read
	known   atomic.Uint64             // that fence_seq

	journal       *journal // nil: none
	journalReport JournalReport
	reapplied     []Destroyed
	fencedAt      atomic.Pointer[time.Time]
	logMark       atomic.Uint64

	alarms  alarms
	closing sync.Once
	lookups *lookup
}

// Open opens the stores of a keyring, or makes them when none of them is
// there. Errors: ErrRootMissing, ErrRootWrong, ErrRootExposed,
// ErrEpochsMissing, ErrStoreMissing, ErrJournalMissing, ErrNewer (nothing was
// changed), and *IntegrityError when rows of the key store were lost or
// changed. Keys that the erasure journal says were destroyed are destroyed
// again before it returns.
func Open(ctx context.Context, o Options) (_ *Keyring, err error) {
	o.setDefaults()
	k := &Keyring{opts: o, cache: newCache(o.CacheSize, o.CacheTTL), told: map[string]string{}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("opening keyring: %w", errors.Join(err, k.Close()))
		}
	}()
	if err := k.openStores(ctx); err != nil {
		return nil, err
	}
	if k.reads, err = openDB(filepath.Join(o.Dir, storeFile), 4); err != nil {
		return nil, err
	}
	if err := k.read.prepare(ctx, k.reads); err != nil {
		return nil, err
	}
	if err := k.verifyAtOpen(ctx); err != nil {
		return nil, err
	}
	if err := k.openLookup(ctx); err != nil {
		return nil, err
	}
	if err := k.openJournal(ctx); err != nil {
		return nil, err
	}
	k.group = newCommitter(provisionBatch, (*provisionJob).weight, k.provision)
	return k, nil
}

// openStores opens the key store and the epoch keys, or makes both.
//
// They are made in this order: epoch keys under a pending name at each place,
// the key store in one transaction, epoch keys renamed. So whatever is found
// after a crash tells a half-made store from a lost one.
func (k *Keyring) openStores(ctx context.Context) error {
	store := filepath.Join(k.opts.Dir, storeFile)
	stored, err := fileExists(store)
	if err != nil {
		return err
	}
	files, err := k.readPlaces()
	if err != nil {
		return err
	}
	confirmed := slices.ContainsFunc(files, func(f placeFile) bool { return !f.pending && (f.form != nil || f.err != nil) })
	root, err := k.openRoot(ctx, stored || confirmed)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // it is asked once
	form := chosen(files, anySequence)
	switch {
	case !stored && confirmed:
		return ErrStoreMissing
	case confirmed && form != nil: // proves the root key before anything is opened for writing
		if err := k.openEpochs(ctx, root, form); err != nil {
			return err
		}
	case stored && confirmed:
		return noEpochs(files)
	}
	var first *firstRoot
	if !stored { // asked before anything is made: a key service may not answer
		if first, err = k.firstRoot(ctx, root); err != nil {
			return err
		}
	}
	if err := createFile(store); err != nil {
		return err
	}
	if k.writer, err = newWriter(ctx, store); err != nil {
		return err
	}
	created, err := isCreated(k.writer)
	switch {
	case err != nil:
		return err
	case !created && confirmed:
		return ErrStoreMissing
	case !created:
		if err := k.createStores(ctx, root, first, files); err != nil {
			return err
		}
	case k.root == nil && form == nil:
		return noEpochs(files)
	case k.root == nil: // as a crash of a creation left it
		if err := k.loadKEK(ctx, root, form); err != nil {
			return err
		}
	}
	if k.storeID, k.secrets, err = readMeta(k.writer, k.root); err != nil {
		return err
	}
	return k.withState(ctx, k.syncEpochs)
}

// openEpochs opens the newest epoch keys, for now.
func (k *Keyring) openEpochs(ctx context.Context, root rootkey.Provider, form *epochForm) error {
	if err := k.loadKEK(ctx, root, form); err != nil {
		return err
	}
	e, err := form.open(k.root)
	if err == nil {
		k.epochs.Store(e)
	}
	return err
}

// firstRoot is a new key-encryption key under the root key.
type firstRoot struct {
	storeID [16]byte
	kek     cipher.AEAD
	wrap    rootWrap
}

func (k *Keyring) firstRoot(ctx context.Context, root rootkey.Provider) (*firstRoot, error) {
	var f firstRoot
	if _, err := io.ReadFull(k.opts.Rand, f.storeID[:]); err != nil {
		return nil, fmt.Errorf("drawing a store ID: %w", err)
	}
	var err error
	f.kek, f.wrap, err = newKEK(ctx, root, f.storeID, k.opts.Rand)
	return &f, err
}

// createStores makes the stores, with a new root unless one is given: a crash
// may have left a key store with nothing in it.
func (k *Keyring) createStores(ctx context.Context, root rootkey.Provider, first *firstRoot, files []placeFile) (err error) {
	if first == nil {
		if first, err = k.firstRoot(ctx, root); err != nil {
			return err
		}
	}
	k.root = first.kek
	e, err := newEpochs(first.kek, first.wrap, first.storeID, k.now(), k.opts.Rand)
	if err != nil {
		return err
	}
	for _, f := range files {
		p := epochPlace{dir: f.dir, added: k.now()}
		if _, err := io.ReadFull(k.opts.Rand, p.id[:]); err != nil {
			return fmt.Errorf("drawing an ID: %w", err)
		}
		e.places = append(e.places, p)
	}
	for _, p := range e.places {
		if err := e.write(p.dir, epochPending, p.id); err != nil {
			return err
		}
	}
	if err := create(k.writer, k.root, e, k.opts.Rand); err != nil {
		return err
	}
	for _, p := range e.places {
		if err := renameFile(filepath.Join(p.dir, epochPending), filepath.Join(p.dir, epochFile)); err != nil {
			return err
		}
	}
	return nil
}

// Close waits for what is under way, wipes the keys in memory and closes the
// stores. Closing again does nothing.
func (k *Keyring) Close() (err error) {
	k.closing.Do(func() { err = k.close() })
	return err
}

func (k *Keyring) close() error {
	var errs []error
	if k.group != nil {
		k.group.close()
	}
	if k.lookups != nil {
		errs = append(errs, k.lookups.close())
	}
	if k.reads != nil {
		errs = append(errs, k.read.close(), k.reads.Close())
	}
	k.writeMu.Lock()
	defer k.writeMu.Unlock()
	if k.writer != nil {
		errs = append(errs, k.writer.close())
		k.writer = nil
	}
	k.cache.wipe()
	k.secrets.wipe()
	return errors.Join(errs...)
}
