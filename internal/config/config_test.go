package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// clean takes this machine's own settings out of the test's environment.
func clean(t *testing.T) {
	t.Helper()
	flags, err := settings()
	require.NoError(t, err)
	for _, f := range flags {
		for _, env := range f.Envs {
			if old, set := os.LookupEnv(env); set {
				require.NoError(t, os.Unsetenv(env))
				t.Cleanup(func() { _ = os.Setenv(env, old) })
			}
		}
	}
}

func parseArgs(t *testing.T, target any, args ...string) error {
	t.Helper()
	k, err := kong.New(target, Resolver(), kong.Exit(func(int) { t.Fatal("exit") }))
	require.NoError(t, err)
	_, err = k.Parse(args)
	return err
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "lethe.yaml")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func TestPrecedence(t *testing.T) {
	clean(t)
	name := file(t, "data: from-file\nlisten: 127.0.0.1:1\nrate: 3.5\nmax-body: 2MiB\nread-timeout: 7s\n")

	var c Config
	require.NoError(t, parseArgs(t, &c))
	require.Equal(t, "lethe-data", c.Storage.Data, "default")
	require.Equal(t, Bytes(64<<20), c.Storage.SegmentBytes)

	c = Config{}
	require.NoError(t, parseArgs(t, &c, "--config", name))
	require.Equal(t, "from-file", c.Storage.Data, "file over default")
	require.Equal(t, 3.5, c.Limits.Rate)
	require.Equal(t, Bytes(2<<20), c.Limits.MaxBody)
	require.Equal(t, 7*time.Second, c.HTTP.ReadTimeout)

	t.Setenv("LETHE_DATA", "from-env")
	t.Setenv("LETHE_CONFIG", name)
	c = Config{}
	require.NoError(t, parseArgs(t, &c))
	require.Equal(t, "from-env", c.Storage.Data, "environment over file")
	require.Equal(t, "127.0.0.1:1", c.HTTP.Listen, "the file was named by the environment")

	c = Config{}
	require.NoError(t, parseArgs(t, &c, "--data", "from-flag"))
	require.Equal(t, "from-flag", c.Storage.Data, "flag over environment")
}

// A command with a part of the settings takes the same file as all others.
func TestPartsShareTheFile(t *testing.T) {
	clean(t)
	var cli struct {
		File   File   `embed:""`
		Client Client `embed:""`
		Status struct {
			Storage Storage `embed:""`
		} `cmd:""`
	}
	name := file(t, "data: d\nserver: http://localhost:1\nlisten: 127.0.0.1:1\n")
	require.NoError(t, parseArgs(t, &cli, "status", "--config", name))
	require.Equal(t, "d", cli.Status.Storage.Data)
	require.Equal(t, "http://localhost:1", cli.Client.Server)
}

func TestFilesThatAreRefused(t *testing.T) {
	clean(t)
	for text, says := range map[string]string{
		"data: d\nlistn: x\n":            `line 2: there is no setting "listn"`,
		"data: d\ndata: e\n":             "line 2: data is set twice",
		"data:\n  dir: d\n":              "line 2: data must be a single value",
		"- data\n":                       "one mapping",
		"config: other.yaml\n":           "no setting",
		"token: secret\n":                "no setting",
		"max-body: big\n":                "a size is a whole number",
		"data: [\n":                      "reading YAML",
		strings.Repeat("# x\n", maxFile): "at most",
	} {
		err := parseArgs(t, &Config{}, "--config", file(t, text))
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "--help")
	}
	require.ErrorContains(t, parseArgs(t, &Config{}, "--config", "/nowhere/lethe.yaml"), "opening the configuration")
}

func TestSettingsThatAreRefused(t *testing.T) {
	clean(t)
	for _, args := range [][]string{
		{"--data="},
		{"--segment-bytes=1KiB"},
		{"--root-key=base64key://"},
		{"--root-key=ftp://x"},
		{"--root-key=hashivault://x", "--root-passphrase-file=f"},
		{"--phone-region=germany"},
		{"--rotate-every=1m"},
		{"--epoch-replica=a,,b"},
		{"--listen=8080"},
		{"--metrics-listen=127.0.0.1:8080"},
		{"--read-timeout=0s"},
		{"--max-body=1GiB"},
		{"--max-header=1"},
		{"--rate=-1"},
		{"--burst=0"},
		{"--max-feeds=0"},
		{"--server=localhost"},
		{"--server=https://user:pass@localhost"},
		{"--log-level=loud"},
		{"--token=secret"},
	} {
		require.Error(t, parseArgs(t, &Config{}, args...), args)
	}
	require.NoError(t, parseArgs(t, &Config{}, "--root-key=hashivault://lethe"))
	require.NoError(t, parseArgs(t, &Config{}, "--root-key=file:k", "--root-passphrase-file=f"))
	require.NoError(t, parseArgs(t, &Config{}, "--metrics-listen=off", "--server=https://lethe.example"))
}

func TestPlacesAndWarnings(t *testing.T) {
	s := Storage{Data: "d", Keys: "/k", RootKey: "file:/r/root.key"}
	r := s.Resolved()
	require.Equal(t, Storage{
		Data: "d", Keys: "/k", Epochs: filepath.Join("d", "epochs"), Lookup: filepath.Join("d", "lookup"),
		Pins: filepath.Join("d", "pins"), Journal: filepath.Join("d", "journal"), RootKey: "/r/root.key",
	}, r)
	warnings := s.Warnings()
	require.Len(t, warnings, 5)
	require.Contains(t, warnings[0], "--epochs")
	require.Contains(t, warnings[1], "--lookup")
	require.Contains(t, warnings[2], "--pins")
	require.Contains(t, warnings[3], "--journal")
	require.Contains(t, warnings[4], "--epoch-replica is not set")
	require.Empty(t, Storage{Data: "d", Keys: "d-keys", Epochs: "../e", Lookup: "l", Pins: "p", Journal: "j", RootKey: "r", EpochReplicas: []string{"../f"}}.Warnings())
	require.Len(t, Storage{Data: "d"}.Warnings(), 7)
	service := Storage{Data: ".", RootKey: "hashivault://lethe"}
	require.Equal(t, "hashivault://lethe", service.Resolved().RootKey)
	require.NotContains(t, service.Places(), "hashivault://lethe")
	require.Len(t, service.Warnings(), 6)
	require.Len(t, Storage{Data: "d", EpochReplicas: []string{"d/e", "f"}}.Warnings(), 7)
}

// A directory that is added to the settings is one that is searched.
func TestPlacesAreAllDirectories(t *testing.T) {
	var s Storage
	v := reflect.ValueOf(&s).Elem()
	var want []string
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Tag.Get("placeholder") != "DIR" {
			continue
		}
		path := "/" + f.Name
		want = append(want, path)
		if v.Field(i).Kind() == reflect.Slice {
			v.Field(i).Set(reflect.ValueOf([]string{path}))
		} else {
			v.Field(i).SetString(path)
		}
	}
	require.Greater(t, len(want), 4)
	require.Subset(t, s.Places(), append(want, "/Data/root.key"))
}

func TestToken(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	env := func(string) (string, bool) { return " from-env\n", true }
	token, err := (&Client{}).Token(env)
	require.NoError(t, err)
	require.Equal(t, "from-env", token)
	_, err = (&Client{}).Token(none)
	require.ErrorContains(t, err, "--token-file")

	token, err = (&Client{TokenFile: file(t, "from-file\n")}).Token(env)
	require.NoError(t, err)
	require.Equal(t, "from-file", token)
	for _, text := range []string{"", "two tokens", strings.Repeat("x", maxToken+1)} {
		_, err = (&Client{TokenFile: file(t, text)}).Token(env)
		require.EqualError(t, err, "the token file does not hold one token")
	}
}

func TestBytesRoundTrip(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "17": 17, "64KiB": 64 << 10, "3 MB": 3e6, "1GiB": 1 << 30, "5B": 5} {
		var b, again Bytes
		require.NoError(t, b.UnmarshalText([]byte(text)))
		require.Equal(t, want, b)
		require.NoError(t, again.UnmarshalText([]byte(b.String())))
		require.Equal(t, b, again)
	}
	for _, text := range []string{"", "-1", "1.5MiB", "MiB", "9223372036854775807GiB", "1 TiB"} {
		require.Error(t, new(Bytes).UnmarshalText([]byte(text)), text)
	}
}

// Each setting's variable follows from its name, so that nobody has to guess.
func TestNamesAgree(t *testing.T) {
	flags, err := settings()
	require.NoError(t, err)
	require.NotEmpty(t, flags)
	for _, f := range flags {
		require.Equal(t, []string{"LETHE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))}, f.Envs)
		require.NotEmpty(t, f.Help, f.Name)
	}
}

func TestReferenceIsCurrent(t *testing.T) {
	const page = "../../docs/configuration.md"
	var b strings.Builder
	require.NoError(t, WriteReference(&b))
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(b.String()), 0o644))
	}
	have, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(have), "docs/configuration.md is out of date: make docs")
}

func TestSealSettings(t *testing.T) {
	ok := Seal{Origin: "ledger.example.com/log", Interval: 250 * time.Millisecond, Bound: time.Second}
	require.NoError(t, ok.Check())
	for name, change := range map[string]func(*Seal){
		"--log-origin":    func(s *Seal) { s.Origin = "https://ledger.example.com/log" },
		"--log-origin: a": func(s *Seal) { s.Origin = "ledger example" },
		"--seal-interval": func(s *Seal) { s.Interval = 0 },
		"--seal-bound":    func(s *Seal) { s.Bound = time.Millisecond },
	} {
		bad := ok
		change(&bad)
		require.ErrorContains(t, bad.Check(), name)
	}
}
