package keyring

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain/personal"
	"lethe/internal/rootkey"
	"lethe/internal/rootkey/rootkeytest"
)

// rooted is a keyring under some kind of root key, and what can happen to it.
type rooted struct {
	o             Options
	missing, away func() // away: the service does not answer; nil for a file
	wrong         func()
	back          func()
}

func underFile(t *testing.T) rooted { return underFileOf(t, options(t)) }

func underFileOf(t *testing.T, o Options) rooted {
	path := filepath.Join(filepath.Dir(o.Dir), "root.key")
	o.RootKeyFile = path
	var line []byte
	return rooted{
		o: o,
		missing: func() {
			var err error
			line, err = os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.Remove(path))
		},
		wrong: func() {
			_, err := rootkey.Open(t.Context(), path, o.rootOptions(true))
			require.NoError(t, err)
		},
		back: func() { require.NoError(t, os.WriteFile(path, line, 0o600)) },
	}
}

func underPassphrase(t *testing.T) rooted {
	o := options(t)
	o.RootPassphraseFile = filepath.Join(t.TempDir(), "phrase")
	require.NoError(t, os.WriteFile(o.RootPassphraseFile, []byte("correct horse battery staple\n"), 0o600))
	return underFileOf(t, o)
}

func underVault(t *testing.T) rooted {
	v := rootkeytest.NewVault("token")
	v.Make("lethe")
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	o := options(t)
	o.RootKeyFile = "hashivault://lethe"
	o.Env = func(name string) (string, bool) {
		value, ok := map[string]string{"VAULT_ADDR": server.URL, "VAULT_TOKEN": "token"}[name]
		return value, ok
	}
	var kept rootkeytest.Kept
	return rooted{
		o:       o,
		missing: func() { kept = v.Take("lethe") },
		wrong:   func() { v.Make("lethe") },
		away:    func() { v.Seal(true) },
		back:    func() { v.Seal(false); v.Put("lethe", kept) },
	}
}

// Whatever the root key is: it opens what was made with it; without it, or
// with another one, opening says what is wrong and changes nothing.
func TestTheKeyringUnderEveryKindOfRootKey(t *testing.T) {
	for name, under := range map[string]func(*testing.T) rooted{"file": underFile, "passphrase": underPassphrase, "vault": underVault} {
		t.Run(name, func(t *testing.T) {
			r := under(t)
			k := open(t, r.o)
			ref := sealed(t, k, one(t, k, compartment(1)), 1, "x")
			rotate(t, k)
			requireWhole(t, k)
			protected, err := k.Protect("seed", make([]byte, 32))
			require.NoError(t, err)
			require.NoError(t, k.Close())

			before := map[string]map[string]string{}
			for _, dir := range []string{r.o.Dir, r.o.EpochDir} {
				before[dir] = readAll(t, dir)
			}
			refused := func(want error) {
				_, err := Open(t.Context(), r.o)
				require.ErrorIs(t, err, want)
				for dir, files := range before {
					require.Equal(t, files, readAll(t, dir), "nothing was changed")
				}
			}
			r.missing()
			refused(ErrRootMissing)
			r.wrong()
			refused(ErrRootWrong)
			r.back()
			if r.away != nil {
				r.away()
				refused(rootkey.ErrUnreachable)
				r.back()
			}
			k = open(t, r.o)
			requireText(t, k, ref, "x")
			_, err = k.Unprotect("seed", protected)
			require.NoError(t, err)
			requireWhole(t, k)
		})
	}
}

// A start asks a key service once, whatever there is below the key.
func TestAStartAsksOnce(t *testing.T) {
	v := rootkeytest.NewVault("token")
	v.Make("lethe")
	server := httptest.NewServer(v)
	defer server.Close()
	o, _ := places(t)
	o.RootKeyFile = "hashivault://lethe"
	o.Env = func(name string) (string, bool) {
		value, ok := map[string]string{"VAULT_ADDR": server.URL, "VAULT_TOKEN": "token"}[name]
		return value, ok
	}
	k := open(t, o)
	require.Equal(t, 1, v.Asked(), "to wrap")
	one(t, k, compartment(1))
	rotate(t, k)
	require.Equal(t, 1, v.Asked())
	require.NoError(t, k.Close())
	k = open(t, o)
	require.Equal(t, 2, v.Asked(), "to unwrap")
	v.Seal(true)
	one(t, k, compartment(2))
	rotate(t, k)
	require.Equal(t, 2, v.Asked(), "a service that goes away later holds nothing up")
}

// A first start that the key service does not answer makes nothing, so that
// another root key can be named.
func TestAFirstStartWithoutTheRootKey(t *testing.T) {
	r := underVault(t)
	r.away()
	_, err := Open(t.Context(), r.o)
	require.ErrorIs(t, err, rootkey.ErrUnreachable)
	require.NoDirExists(t, r.o.Dir)
	r.o.RootKeyFile = filepath.Join(filepath.Dir(r.o.Dir), "root.key")
	one(t, open(t, r.o), compartment(1))
}

// What a key service wraps is for one key store: another one's does not open.
func TestAWrappedKeyIsForItsStore(t *testing.T) {
	r := underVault(t)
	k := open(t, r.o)
	other := r.o
	dir := t.TempDir()
	other.Dir, other.EpochDir, other.LookupDir, other.JournalDir = dir+"/k", dir+"/e", dir+"/l", dir+"/j"
	l := open(t, other)
	root, err := k.openRoot(t.Context(), true)
	require.NoError(t, err)
	defer root.Close() //nolint:errcheck // a test
	_, err = unwrapKEK(t.Context(), root, k.storeID, k.epochs.Load().root)
	require.NoError(t, err)
	_, err = unwrapKEK(t.Context(), root, k.storeID, l.epochs.Load().root)
	require.ErrorIs(t, err, ErrRootWrong)
}

func TestTheRootKeyIsChanged(t *testing.T) {
	r := underVault(t)
	told := &[]string{}
	r.o.EpochReplicas = []string{filepath.Join(filepath.Dir(r.o.Dir), "replica")}
	r.o.Report = func(what string) { *told = append(*told, what) }
	k := open(t, r.o)
	refs := people(t, k, 10)
	dir := t.TempDir()
	phrase := filepath.Join(dir, "phrase")
	require.NoError(t, os.WriteFile(phrase, []byte("correct horse battery staple"), 0o600))
	old := r.o
	for _, to := range []struct{ name, phrase string }{{"file:" + dir + "/a", ""}, {"file:" + dir + "/b", phrase}, {"hashivault://lethe", ""}, {"file:" + dir + "/c", ""}} {
		same, err := k.RewrapRoot(t.Context(), to.name, to.phrase)
		require.NoError(t, err)
		require.False(t, same)
		same, err = k.RewrapRoot(t.Context(), to.name, to.phrase)
		require.NoError(t, err)
		require.True(t, same)
		requirePeople(t, k, refs)
		requireWhole(t, k)
		rotate(t, k, 1)
		require.NoError(t, k.Close())
		_, err = Open(t.Context(), old)
		require.ErrorIs(t, err, ErrRootWrong)
		if rootkey.Scheme(old.RootKeyFile) != rootkey.Scheme(to.name) {
			require.ErrorContains(t, err, "the key store is under")
		}
		old.RootKeyFile, old.RootPassphraseFile = to.name, to.phrase
		k = open(t, old)
		requirePeople(t, k, refs)
		requireSamePlaces(t, old)
	}
	for _, wrong := range []string{"base64key://", "hashivault://unknown"} {
		_, err := k.RewrapRoot(t.Context(), wrong, "")
		require.Error(t, err)
	}
	requirePeople(t, k, refs)
	require.Empty(t, *told)
}

// A change of the root key that a crash cuts leaves the old one or the new
// one.
func TestCrashAtEveryStepOfChangingTheRootKey(t *testing.T) {
	o, _ := places(t)
	k := open(t, o)
	ref := sealed(t, k, one(t, k, compartment(1)), 1, "x")
	base := filepath.Dir(o.Dir)
	var images []string
	k.opts.step = func() {
		image := t.TempDir()
		require.NoError(t, os.CopyFS(image, os.DirFS(base)))
		images = append(images, image)
	}
	_, err := k.RewrapRoot(t.Context(), filepath.Join(base, "new.key"), "")
	require.NoError(t, err)
	require.Greater(t, len(images), 3)
	for _, image := range images {
		at := inImage(t, o, image)
		require.NoError(t, os.Chmod(filepath.Join(image, "new.key"), 0o600))
		k, err := Open(t.Context(), at)
		if err != nil {
			require.ErrorIs(t, err, ErrRootWrong)
			at.RootKeyFile = filepath.Join(image, "new.key")
			k, err = Open(t.Context(), at)
		}
		require.NoError(t, err)
		require.Equal(t, personal.Present, stateOf(t, k, ref))
		requireSamePlaces(t, at)
		require.NoError(t, k.Close())
	}
}
