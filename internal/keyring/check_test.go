package keyring

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/personal"
	"lethe/internal/part"
	"lethe/internal/testenv"
)

// findings are what Check reports.
func findings(t testing.TB, k *Keyring) (all []Finding) {
	require.NoError(t, k.Check(t.Context(), func(f Finding) { all = append(all, f) }, nil))
	return all
}

func requireWhole(t testing.TB, k *Keyring) { require.Empty(t, findings(t, k)) }

// filled is a keyring with something of everything, and all that can be asked
// of it.
type filled struct {
	o        Options
	refs     []*personal.Ref
	erased   map[int]bool // of refs
	tokens   []domain.Token
	keys     []SourceKey
	files    []FileKey
	commands []domain.Digest
}

func fill(t testing.TB, people int) *filled {
	f := &filled{o: options(t), erased: map[int]bool{}}
	k := open(t, f.o)
	for i := range people {
		tok := token(t, k)
		f.tokens = append(f.tokens, tok)
		for _, g := range []domain.Name{"contact", "identity"} {
			f.refs = append(f.refs, sealed(t, k, one(t, k, Compartment{Owner: tok.Stream(), Group: g}), byte(i), fmt.Sprint(i)))
		}
		require.NoError(t, k.PutLookups(t.Context(), []LookupRow{
			{Kind: catalogue.LookupEmail, Text: fmt.Sprintf("p%d@example.org", i/2), Token: tok, Field: "email", EventID: domain.ID{byte(i)}},
			{Kind: catalogue.LookupExternalID, Text: fmt.Sprint(i), Token: tok, Field: "customer_number", EventID: domain.ID{byte(i)}},
		}))
		command := domain.Digest{byte(i), 1}
		f.commands = append(f.commands, command)
		_, _, err := k.ClaimCreation(t.Context(), domain.ID{1}, command, domain.Digest{byte(i)}, tok)
		require.NoError(t, err)
		f.keys = append(f.keys, k.SourceKeyOf("shop", "people", fmt.Sprint(i)))
		file := FileKey{System: "shop", File: domain.Digest{byte(i)}, Catalogue: 3}
		f.files = append(f.files, file)
		_, _, err = k.ClaimFile(t.Context(), file, domain.ID{byte(i)})
		require.NoError(t, err)
		if i%2 == 0 {
			require.NoError(t, k.FinishFile(t.Context(), file))
		}
	}
	f.claim(t, k)
	for i := 0; i < len(f.refs); i += 5 {
		h, err := part.Parse(f.refs[i].Part)
		require.NoError(t, err)
		_, err = k.Destroy(t.Context(), "erasure", Destruction{
			Erasure: domain.ID{byte(i)}, Token: f.tokens[i/2], Keys: []KeyInfo{KeyOf(&h)}, Fields: []domain.Name{"email"}, Marks: MarkContact,
		})
		require.NoError(t, err)
		f.erased[i] = true
	}
	requireWhole(t, k)
	require.NoError(t, k.Close())
	return f
}

// claim reserves all, finishes most, some twice, one with more fields than
// fit a page.
func (f *filled) claim(t testing.TB, k *Keyring) {
	wanted := make([]Reservation, len(f.keys))
	for i, key := range f.keys {
		wanted[i] = Reservation{Key: key, Token: f.tokens[i]}
	}
	claims, err := k.ReserveImports(t.Context(), wanted[1:])
	require.NoError(t, err)
	claims = append(claims, ImportClaim{Key: f.keys[0], Token: f.tokens[0]})
	for i := range claims {
		for n := range 3 + i/(len(claims)-2)*150 {
			name := domain.Name(fmt.Sprintf("field%d", n))
			claims[i].Fields = append(claims[i].Fields, FieldMAC{Field: name, MAC: k.ValueMACOf(claims[i].Key, name, "x")})
		}
	}
	require.NoError(t, k.FinishImports(t.Context(), claims[2:]))
	require.NoError(t, k.FinishImports(t.Context(), claims[5:]))
}

// answers asks for everything. What cannot be read is an answer too.
func (f *filled) answers(t testing.TB, k *Keyring) (all []string) {
	ctx := t.Context()
	add := func(what string, answer any, err error) {
		all = append(all, fmt.Sprintf("%s: %+v %t", what, answer, err == nil))
	}
	of := make([]KeyInfo, len(f.refs))
	for i, ref := range f.refs {
		v, err := k.Open(ctx, ref)
		text, _ := v.Reveal()
		add("open", []any{i, v.State(), text}, err)
		h, err := part.Parse(ref.Part)
		require.NoError(t, err)
		of[i] = KeyOf(&h)
	}
	states, err := k.KeyStates(ctx, of)
	add("states", states, err)
	for i, tok := range f.tokens {
		infos, err := k.Keys(ctx, tok.Stream())
		add("keys", infos, err)
		groups, err := k.Fenced(ctx, tok.Stream())
		add("fenced", groups, err)
		for _, q := range []struct {
			kind catalogue.LookupKind
			text string
		}{{catalogue.LookupEmail, fmt.Sprintf("p%d@example.org", i/2)}, {catalogue.LookupExternalID, fmt.Sprint(i)}} {
			hits, err := k.Find(ctx, q.kind, q.text)
			slices.SortFunc(hits, func(a, b Hit) int { return cmp.Compare(a.Token, b.Token) })
			add("find", hits, err)
		}
		marks, err := k.Suppressed(ctx, []Identifier{{Kind: catalogue.LookupEmail, Text: fmt.Sprintf("p%d@example.org", i/2)}, {Source: f.keys[i]}})
		add("marks", marks, err)
		peers, err := k.Peers(ctx, tok)
		add("peers", peers, err)
		rows, err := k.LookupRows(ctx, tok)
		add("rows", rows, err)
		claim, err := k.findCreation(ctx, domain.ID{1}, f.commands[i])
		add("creation", claim, err)
		file, found, err := k.FindFile(ctx, f.files[i])
		add("file", []any{file, found}, err)
	}
	claims, err := k.ImportClaims(ctx, f.keys)
	add("claims", claims, err)
	for fence, err := range k.Fences(ctx) {
		add("fence", fence, err)
	}
	shared := 0
	err = k.SharedValues(ctx, 10, func(Shared) error { shared++; return nil })
	add("shared", shared, err)
	return all
}

// requireNeverErased: whatever the store is like, what was not erased is not
// said to be.
func (f *filled) requireNeverErased(t testing.TB, k *Keyring, what string) {
	for i, ref := range f.refs {
		if f.erased[i] {
			continue
		}
		if v, err := k.Open(context.Background(), ref); err == nil {
			require.NotEqual(t, personal.Erased, v.State(), what)
		}
		h, err := part.Parse(ref.Part)
		require.NoError(t, err)
		if states, err := k.KeyStates(context.Background(), []KeyInfo{KeyOf(&h)}); err == nil {
			require.NotEqual(t, KeyFenced, states[0], what)
		}
	}
}

// TestEveryFlippedBitIsFound flips single bits of a cleanly closed keyring's
// files: each is found by opening or by Check, or no answer is another one,
// and never is anything reported as erased that is not. LETHE_FLIP_STRIDE
// sets how many bits lie between two.
func TestEveryFlippedBitIsFound(t *testing.T) {
	testenv.Sequential(t)
	t.Parallel()
	f := fill(t, 16)
	whole := open(t, f.o)
	want := f.answers(t, whole)
	require.NoError(t, whole.Close())
	for name, stride := range map[string]int{storeFile: 1999, lookupFile: 2003, epochFile: 9973, "root.key": 53, journalFile: 401, marksFile: 211, headFile: 101} {
		t.Run(name, func(t *testing.T) {
			if s := os.Getenv("LETHE_FLIP_STRIDE"); s != "" {
				var err error
				stride, err = strconv.Atoi(s)
				require.NoError(t, err)
			}
			stride *= testenv.Cases(3, 1)
			path := map[string]string{
				storeFile: filepath.Join(f.o.Dir, storeFile), lookupFile: filepath.Join(f.o.LookupDir, lookupFile),
				journalFile: filepath.Join(f.o.JournalDir, journalFile), marksFile: filepath.Join(f.o.JournalDir, marksFile),
				headFile:  filepath.Join(f.o.HeadDir, headFile),
				epochFile: filepath.Join(f.o.EpochDir, epochFile), "root.key": strings.TrimPrefix(f.o.RootKeyFile, "file:"),
			}[name]
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			found, harmless := 0, 0
			for bit := 0; bit < 8*len(content); bit += stride {
				if free(content, bit/8) {
					continue
				}
				if f.flipped(t, path, content, bit, want) {
					found++
				} else {
					harmless++
				}
			}
			t.Logf("%d bits flipped: %d found, %d without effect", found+harmless, found, harmless)
			require.Positive(t, found)
		})
	}
}

// free reports that a byte lies in the empty middle of a page. They are left
// out, so that time goes to what means something.
func free(content []byte, at int) bool {
	const header, around = 100, 16
	return at >= header && !slices.ContainsFunc(content[max(0, at-around):min(len(content), at+around)], func(b byte) bool { return b != 0 })
}

// flipped flips one bit in a copy of the keyring and reports whether that was
// found.
func (f *filled) flipped(t *testing.T, path string, content []byte, bit int, want []string) bool {
	base := filepath.Dir(f.o.Dir)
	dir, err := os.MkdirTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer os.RemoveAll(dir) //nolint:errcheck // a test
	require.NoError(t, os.CopyFS(dir, os.DirFS(base)))
	o := f.o
	o.Dir, o.EpochDir, o.LookupDir = filepath.Join(dir, "keys"), filepath.Join(dir, "epochs"), filepath.Join(dir, "lookup")
	o.JournalDir, o.HeadDir = filepath.Join(dir, "journal"), filepath.Join(dir, "head")
	o.RootKeyFile, o.CreateRoot = filepath.Join(dir, "root.key"), false
	require.NoError(t, os.Chmod(o.RootKeyFile, 0o600))
	rel, err := filepath.Rel(base, path)
	require.NoError(t, err)
	changed := slices.Clone(content)
	changed[bit/8] ^= 1 << (bit % 8)
	require.NoError(t, os.WriteFile(filepath.Join(dir, rel), changed, 0o600))

	k, err := Open(t.Context(), o)
	if err != nil {
		return true
	}
	defer k.Close() //nolint:errcheck // a damaged file may not close well
	what := fmt.Sprintf("%s, byte %d, bit %d", rel, bit/8, bit%8)
	f.requireNeverErased(t, k, what)
	if _, lost := k.LookupLost(); lost {
		return true
	}
	if r := k.JournalReport(); r.Rewritten || r.HeadLost || r.MarksLost || r.Cut > 0 || len(findings(t, k)) > 0 {
		return true
	}
	require.Equal(t, want, f.answers(t, k), what)
	return false
}
