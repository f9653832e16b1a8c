package keyring

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"
	"pgregory.net/rapid"

	"lethe/domain/personal"
	"lethe/internal/part"
	"lethe/internal/rootkey"
)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func options(t testing.TB) Options {
	dir := t.TempDir()
	return Options{
		Dir: filepath.Join(dir, "keys"), EpochDir: filepath.Join(dir, "epochs"), LookupDir: filepath.Join(dir, "lookup"),
		JournalDir: filepath.Join(dir, "journal"), HeadDir: filepath.Join(dir, "head"),
		RootKeyFile: "file:" + filepath.Join(dir, "root.key"), CreateRoot: true,
	}
}

func open(t testing.TB, o Options) *Keyring {
	k, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

func compartment(i int) Compartment {
	return Compartment{Owner: fmt.Sprintf("subject-s%d", i), Group: "contact"}
}

func one(t testing.TB, k *Keyring, c Compartment) *Key {
	keys, err := k.Provision(t.Context(), []Compartment{c})
	require.NoError(t, err)
	require.Len(t, keys, 1)
	return keys[0]
}

// sealed seals text as the part of field email of an event of the owner.
func sealed(t testing.TB, k *Keyring, key *Key, event byte, text string) *personal.Ref {
	ref, err := seal(k, key, event, text)
	require.NoError(t, err)
	return ref
}

func seal(k *Keyring, key *Key, event byte, text string) (*personal.Ref, error) {
	ref := &personal.Ref{Stream: key.Compartment().Owner, EventID: [16]byte{event}, Type: "FieldsRecorded", Version: 1}
	at := part.Context{Stream: ref.Stream, EventID: ref.EventID, Type: ref.Type, Version: 1, Field: "email"}
	part, err := k.Seal(nil, key, at, []byte(text))
	ref.Part = part
	return ref, err
}

func stateOf(t testing.TB, k *Keyring, ref *personal.Ref) personal.State {
	v, err := k.Open(t.Context(), ref)
	require.NoError(t, err)
	return v.State()
}

func requireText(t testing.TB, k *Keyring, ref *personal.Ref, want string) {
	v, err := k.Open(t.Context(), ref)
	require.NoError(t, err)
	text, ok := v.Reveal()
	require.True(t, ok, "it is %s", v.State())
	require.Equal(t, want, text)
}

func destroy(t testing.TB, k *Keyring, c Compartment) {
	infos, err := k.Keys(t.Context(), c.Owner)
	require.NoError(t, err)
	var of []KeyInfo
	for _, i := range infos {
		if i.Compartment == c {
			of = append(of, i)
		}
	}
	require.NotEmpty(t, of)
	end(t, k, of...)
}

// end destroys keys without anything else of a person.
func end(t testing.TB, k *Keyring, of ...KeyInfo) []Destroyed {
	done, err := k.Destroy(context.Background(), "erasure", Destruction{Keys: of})
	require.NoError(t, err)
	return done
}

func TestSealedValuesOpenAlsoAfterReopening(t *testing.T) {
	o := options(t)
	k := open(t, o)
	key := one(t, k, compartment(1))
	ref := sealed(t, k, key, 1, "jürgen@example.org")
	requireText(t, k, ref, "jürgen@example.org")
	again := one(t, k, compartment(1))
	require.Equal(t, key.ID(), again.ID())
	require.NoError(t, k.Close())

	k = open(t, o)
	requireText(t, k, ref, "jürgen@example.org")
	require.Equal(t, key.ID(), one(t, k, compartment(1)).ID())
	require.Equal(t, Alarms{}, k.Alarms())
}

// TestSecretIsGivenOnlyIfItOpens: the outcomes of opening, and S only beside a
// part that it opens.
func TestSecretIsGivenOnlyIfItOpens(t *testing.T) {
	o := options(t)
	k := open(t, o)
	ref, other := sealed(t, k, one(t, k, compartment(1)), 1, "x"), sealed(t, k, one(t, k, compartment(2)), 1, "y")
	require.NoError(t, k.Close())
	before := copyDir(t, o.Dir)
	k = open(t, o)
	lost := sealed(t, k, one(t, k, compartment(3)), 1, "z")
	secretOf := func(k *Keyring, ref *personal.Ref) (part.Secret, personal.State) {
		secret, state, err := k.Secret(t.Context(), ref)
		require.NoError(t, err)
		return secret, state
	}
	at := part.Context{Stream: ref.Stream, EventID: ref.EventID, Type: ref.Type, Version: 1, Field: "email"}
	secret, state := secretOf(k, ref)
	require.Equal(t, personal.Present, state)
	text, err := part.Open(secret[:], ref.Part, at)
	require.NoError(t, err)
	require.Equal(t, "x", text)
	at.Stream = other.Stream
	_, err = part.Open(secret[:], other.Part, at)
	require.ErrorIs(t, err, part.ErrSecret)

	moved := *ref
	moved.Type = "FieldsRectified"
	for _, wrong := range []*personal.Ref{&moved, {Part: []byte("junk")}} {
		secret, state = secretOf(k, wrong)
		require.Equal(t, personal.Tampered, state)
		require.Zero(t, [32]byte(secret))
	}
	destroy(t, k, compartment(1))
	secret, state = secretOf(k, ref)
	require.Equal(t, personal.Erased, state)
	require.Zero(t, [32]byte(secret))
	require.NoError(t, k.Close())

	o.Dir, o.LookupDir = before, t.TempDir()
	secret, state = secretOf(open(t, o), lost)
	require.Equal(t, personal.KeyMissing, state)
	require.Zero(t, [32]byte(secret))
	_, _, err = k.Secret(t.Context(), other)
	require.Error(t, err, "nothing is known of a value when the store cannot be read")
}

func inFiles(t testing.TB, dir string, needle []byte) bool {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		if strings.Contains(string(content), string(needle)) {
			return true
		}
	}
	return false
}

func copyDir(t testing.TB, dir string) string {
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

func TestOtherKeyringSeesDestructionWithinASecond(t *testing.T) {
	o := options(t)
	c := &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	o.Now = c.now
	a, b := open(t, o), open(t, o)
	key := one(t, a, compartment(1))
	ref := sealed(t, a, key, 1, "shared")
	requireText(t, b, ref, "shared")
	one(t, b, compartment(1))
	destroy(t, a, compartment(1))
	require.Equal(t, personal.Erased, stateOf(t, a, ref))
	c.advance(freshness)
	require.Equal(t, personal.Erased, stateOf(t, b, ref))
	_, err := b.Provision(t.Context(), []Compartment{compartment(1)})
	require.ErrorAs(t, err, new(*FencedError))
}

func TestFencedIsReadAgainOnceAnythingWasErased(t *testing.T) {
	o := options(t)
	c := &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	o.Now = c.now
	a, b := open(t, o), open(t, o)
	one(t, a, compartment(1))
	fenced := func(k *Keyring) bool {
		groups, err := k.Fenced(t.Context(), compartment(1).Owner)
		require.NoError(t, err)
		return groups[compartment(1).Group]
	}
	require.False(t, fenced(a))
	require.False(t, fenced(b))
	destroy(t, a, compartment(1))
	require.True(t, fenced(a))
	require.False(t, fenced(b), "nothing asks the store within a second")
	c.advance(freshness)
	require.True(t, fenced(b))
}

func TestIntegrityOfRows(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]struct{ table, sql string }{
		"key lost":      {"keys", "DELETE FROM keys WHERE owner LIKE '__subject-s2'"},
		"key changed":   {"keys", "UPDATE keys SET fenced = 1 WHERE owner LIKE '__subject-s2'"},
		"key renamed":   {"keys", "UPDATE keys SET owner = 'subject-s99' WHERE owner LIKE '__subject-s2'"},
		"fence lost":    {"fences", "DELETE FROM fences"},
		"fence changed": {"fences", "UPDATE fences SET cause = 'retention'"},
		"state changed": {"state", "UPDATE state SET keys_count = keys_count - 1"},
		"state lost":    {"state", "DELETE FROM state"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			k := open(t, o)
			for i := range 5 {
				one(t, k, compartment(i))
			}
			destroy(t, k, compartment(1))
			requireWhole(t, k)
			_, err := k.writer.exec(damage.sql)
			require.NoError(t, err)
			require.NoError(t, k.Close())
			_, err = Open(t.Context(), o)
			var integrity *IntegrityError
			require.ErrorAs(t, err, &integrity)
			require.Equal(t, damage.table, integrity.Table)
		})
	}
}

func TestForgedFenceDoesNotErase(t *testing.T) {
	k := open(t, options(t))
	ref := sealed(t, k, one(t, k, compartment(1)), 1, "lost, not erased")
	h, err := part.Parse(ref.Part)
	require.NoError(t, err)
	require.NoError(t, k.Close())
	o := options(t)
	k = open(t, o)
	_, err = k.writer.exec("INSERT INTO fences ("+fenceColumns+") VALUES (?,x'','subject-s1','contact',1,x'','erasure',0,0,x'00')", h.KeyID[:])
	require.NoError(t, err)
	require.Equal(t, personal.Tampered, stateOf(t, k, ref))
}

func TestRootKey(t *testing.T) {
	o := options(t)
	path := strings.TrimPrefix(o.RootKeyFile, "file:")
	k := open(t, o)
	ref := sealed(t, k, one(t, k, compartment(1)), 1, "x")
	require.NoError(t, k.Close())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	snapshot := readAll(t, o.Dir)

	require.NoError(t, os.Chmod(path, 0o640))
	_, err = Open(t.Context(), o)
	require.ErrorIs(t, err, ErrRootExposed)

	require.NoError(t, os.Chmod(path, 0o600))
	right, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	_, err = Open(t.Context(), o)
	require.ErrorIs(t, err, ErrRootMissing)
	require.NoFileExists(t, path)

	other := options(t)
	open(t, other)
	foreign := o
	foreign.RootKeyFile = other.RootKeyFile
	_, err = Open(t.Context(), foreign)
	require.ErrorIs(t, err, ErrRootWrong)
	require.Equal(t, snapshot, readAll(t, o.Dir))

	for _, content := range []string{"", "base64key://", "lethe-root-key-1:AAAA", "lethe-root-key-1:" + strings.Repeat("A", 200)} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err = Open(t.Context(), o)
		require.ErrorContains(t, err, "not a root key file")
	}
	for _, name := range []string{"", "file:", "base64key://", "awskms://x"} {
		unnamed := o
		unnamed.RootKeyFile = name
		_, err = Open(t.Context(), unnamed)
		require.Error(t, err)
	}
	require.NoError(t, os.WriteFile(path, right, 0o600))
	requireText(t, open(t, o), ref, "x")
}

func readAll(t testing.TB, dir string) map[string]string {
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(b)
	}
	return files
}

func TestLostStoresAreRefused(t *testing.T) {
	o := options(t)
	k := open(t, o)
	one(t, k, compartment(1))
	require.NoError(t, k.Close())
	epochs, store := filepath.Join(o.EpochDir, epochFile), filepath.Join(o.Dir, storeFile)

	require.NoError(t, os.Rename(epochs, epochs+".away"))
	_, err := Open(t.Context(), o)
	require.ErrorIs(t, err, ErrEpochsMissing)
	// As a crash between the key store's commit and the rename leaves it.
	require.NoError(t, os.Rename(epochs+".away", filepath.Join(o.EpochDir, epochPending)))
	require.NoError(t, open(t, o).Close())
	require.FileExists(t, epochs)

	content, err := os.ReadFile(epochs)
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(epochs, content, 0o600))
	_, err = Open(t.Context(), o)
	require.ErrorContains(t, err, "checksum")
	content[len(content)/2] ^= 1
	require.NoError(t, os.WriteFile(epochs, content, 0o600))

	require.NoError(t, os.Rename(store, store+".away"))
	_, err = Open(t.Context(), o)
	require.ErrorIs(t, err, ErrStoreMissing)
	require.NoFileExists(t, store)
}

func TestCreationAfterEveryCrash(t *testing.T) {
	o := options(t)
	require.NoError(t, os.MkdirAll(o.EpochDir, 0o700))
	// Root key made, epoch keys half written.
	_, err := rootkey.Open(t.Context(), o.RootKeyFile, rootkey.Options{Create: true, Rand: strings.NewReader(strings.Repeat("r", 32))})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(o.EpochDir, epochPending), []byte("half"), 0o600))
	// The key store's file made, nothing in it.
	require.NoError(t, createFile(filepath.Join(o.Dir, storeFile)))
	k := open(t, o)
	requireText(t, k, sealed(t, k, one(t, k, compartment(1)), 1, "y"), "y")
	for _, dir := range []string{o.Dir, o.EpochDir, o.LookupDir} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			info, err := e.Info()
			require.NoError(t, err)
			require.Zero(t, info.Mode().Perm()&0o077, e.Name())
		}
	}
}

func TestPragmasOfEveryConnection(t *testing.T) {
	o := options(t)
	k := open(t, o)
	db, err := openDB(filepath.Join(o.Dir, storeFile), 3)
	require.NoError(t, err)
	defer db.Close() //nolint:errcheck // a test
	for range 3 {
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close() //nolint:errcheck // a test
		require.NoError(t, conn.Raw(func(raw any) error {
			return assertPragma(t.Context(), raw.(driver.Conn), "synchronous", "2")
		}))
	}
	require.NoError(t, k.writer.conn.Raw(func(raw any) error {
		for _, p := range pragmas {
			if err := assertPragma(t.Context(), raw.(driver.Conn), p.name, p.want); err != nil {
				return err
			}
		}
		return nil
	}))
	// The assertion itself fails when a pragma is not what it must be.
	_, err = k.writer.exec("PRAGMA secure_delete = OFF")
	require.NoError(t, err)
	require.ErrorContains(t, k.writer.conn.Raw(func(raw any) error {
		return assertPragma(t.Context(), raw.(driver.Conn), "secure_delete", "1")
	}), "secure_delete is 0")
}

func TestConnectionWithoutItsPragmasIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	for _, missing := range []string{"journal_mode", "synchronous", "secure_delete"} {
		query := url.Values{}
		for _, p := range pragmas {
			if p.name != missing {
				query.Add("_pragma", p.name+"("+p.set+")")
			}
		}
		if missing == "synchronous" {
			query.Add("_pragma", "synchronous(NORMAL)")
		}
		base, err := sqlite.NewConnector("file:" + path + "?" + query.Encode())
		require.NoError(t, err)
		_, err = connector{base, path}.Connect(t.Context())
		require.ErrorContains(t, err, "pragma "+missing)
	}
}

func TestBusyCheckpointIsIncomplete(t *testing.T) {
	o := options(t)
	k := open(t, o)
	key := one(t, k, compartment(1))
	row, err := k.generation(compartment(1), 1)
	require.NoError(t, err)
	_, err = k.writer.exec("PRAGMA busy_timeout = 1")
	require.NoError(t, err)
	reader, err := k.reads.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	var n int
	require.NoError(t, reader.QueryRow("SELECT count(*) FROM keys").Scan(&n))
	of := []KeyInfo{{Compartment: key.Compartment(), Generation: 1, ID: key.ID()}}
	_, err = k.Destroy(t.Context(), "erasure", Destruction{Keys: of})
	require.ErrorAs(t, err, new(*IncompleteError))
	_, err = k.Provision(t.Context(), []Compartment{compartment(1)})
	require.ErrorAs(t, err, new(*FencedError), "the fence stands all the same")
	require.True(t, inFiles(t, o.Dir, row.wrapped))
	require.NoError(t, reader.Rollback())
	end(t, k, of...)
	require.False(t, inFiles(t, o.Dir, row.wrapped))
}

func TestOwnersForm(t *testing.T) {
	same := regexp.MustCompile(`^[a-z][a-z0-9]*([._-][a-z0-9]+)*$`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[a-z0-9._A@-]{0,12}`).Draw(t, "owner")
		require.Equal(t, same.MatchString(s), validOwner(s))
	})
}

// TestCallersShareATransaction: what queues while one batch is being made
// durable is one batch.
func TestCallersShareATransaction(t *testing.T) {
	started, release := make(chan int), make(chan struct{})
	c := newCommitter(1000, func(int) int { return 1 }, func(jobs []int) error {
		started <- len(jobs)
		<-release
		return nil
	})
	defer c.close()
	var wg sync.WaitGroup
	submit := func(n int) {
		for range n {
			wg.Go(func() { _ = c.do(context.Background(), 1) })
		}
	}
	submit(1)
	require.Equal(t, 1, <-started)
	submit(99)
	require.Eventually(t, func() bool { return len(c.queue) == 99 }, 10*time.Second, time.Millisecond)
	release <- struct{}{}
	require.Equal(t, 99, <-started)
	release <- struct{}{}
	wg.Wait()
	failing := newCommitter(2, func(int) int { return 1 }, func([]int) error { return os.ErrInvalid })
	require.ErrorIs(t, failing.do(t.Context(), 1), os.ErrInvalid)
	failing.close()
	require.ErrorIs(t, failing.do(t.Context(), 1), ErrClosed)
}

func TestBoundsOfTheCache(t *testing.T) {
	o := options(t)
	c := &clock{t: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	o.Now, o.CacheSize, o.CacheTTL = c.now, 10, time.Minute
	k := open(t, o)
	var refs []*personal.Ref
	for i := range 30 {
		refs = append(refs, sealed(t, k, one(t, k, compartment(i)), 1, fmt.Sprint(i)))
	}
	require.Len(t, k.cache.byID, 10)
	require.Len(t, k.cache.live, 10)
	for i, ref := range refs {
		requireText(t, k, ref, fmt.Sprint(i))
	}
	require.LessOrEqual(t, k.cache.order.Len(), 10)
	c.advance(2 * time.Minute)
	require.Nil(t, k.cache.liveKey(compartment(29), c.now()))

	// A key that was read before a destruction does not come in after it.
	version := k.cache.at()
	k.cache.change(nil, nil)
	key := &Key{compartment: compartment(99), id: KeyID{99}}
	require.Same(t, key, k.cache.put(key, true, version, c.now()))
	require.Nil(t, k.cache.key(key.id, c.now()))
	require.Same(t, key, k.cache.put(key, true, k.cache.at(), c.now()))
	require.Same(t, key, k.cache.key(key.id, c.now()))
}

func TestKeysAreNeverPrinted(t *testing.T) {
	k := open(t, options(t))
	key := one(t, k, compartment(1))
	for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%+v %#v %s", key, key, key)} {
		require.NotContains(t, text, fmt.Sprint(key.dek[:4]))
	}
	b, err := json.Marshal(key)
	require.NoError(t, err)
	require.Equal(t, `"key `+key.ID().String()+`"`, string(b))
}

func TestPersonalValuesAreNeverPrinted(t *testing.T) {
	k := open(t, options(t))
	v, err := k.Open(t.Context(), sealed(t, k, one(t, k, compartment(1)), 1, "canary"))
	require.NoError(t, err)
	var logs strings.Builder
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("x", "v", v, "p", &v, "in", struct{ V personal.Value }{v})
	b, err := json.Marshal(map[string]any{"v": v, "p": &v})
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", v, v, v, v, v, v), fmt.Sprint(&v), logs.String(), string(b), fmt.Errorf("at %v", v).Error()} {
		require.NotContains(t, text, "canary")
		require.NotContains(t, text, fmt.Sprintf("%x", "canary"))
	}
}

func TestRefusalsAndClosing(t *testing.T) {
	k := open(t, options(t))
	for _, c := range []Compartment{{}, {Owner: "Person@example.org", Group: "g"}, {Owner: "subject-s1", Group: "No"}, {Owner: strings.Repeat("a", 129), Group: "g"}} {
		_, err := k.Provision(t.Context(), []Compartment{c})
		require.Error(t, err)
	}
	_, err := k.Provision(t.Context(), make([]Compartment, MaxProvision+1))
	require.Error(t, err)
	key := one(t, k, compartment(1))
	_, err = k.Seal(nil, key, part.Context{Stream: "s", Type: "T", Field: "f"}, make([]byte, part.MaxPlaintext+1))
	require.Error(t, err)
	_, err = k.Destroy(t.Context(), "Free text")
	require.Error(t, err)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = k.Provision(ended, []Compartment{compartment(2)})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, k.Close())
	require.ErrorIs(t, k.group.do(t.Context(), &provisionJob{of: []Compartment{compartment(3)}}), ErrClosed)
	_, err = k.Destroy(t.Context(), "erasure")
	require.ErrorIs(t, err, ErrClosed)
}
