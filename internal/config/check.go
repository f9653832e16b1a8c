package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Validate checks what the forms of the settings alone do not. kong calls it
// when Config itself is what is parsed into; a command that embeds parts
// calls theirs.
func (c *Config) Validate() error {
	return errors.Join(c.Storage.Check(), c.Seal.Check(), c.Erasure.Check(), c.HTTP.Check(), c.Limits.Check(), c.Client.Check())
}

var countryPattern = regexp.MustCompile(`^[A-Z]{2}$`)

// Check reports settings that cannot work.
func (s *Storage) Check() error {
	switch {
	case s.Data == "":
		return errors.New("--data: a directory is needed")
	case s.SegmentBytes < 64<<10 || s.SegmentBytes > 1<<30:
		return fmt.Errorf("--segment-bytes: %s is outside 64KiB to 1GiB", s.SegmentBytes)
	case strings.Contains(s.RootKey, "://") && !slices.Contains(keyServices, s.rootScheme()):
		return errors.New("--root-key: file:PATH, hashivault://KEY, awskms://, gcpkms:// or azurekeyvault:// are read; base64key:// is not, since the key would stand here")
	case s.RootPassphrase != "" && strings.Contains(s.RootKey, "://"):
		return errors.New("--root-passphrase-file: a passphrase opens a file, and --root-key is none")
	case slices.Contains(s.EpochReplicas, ""):
		return errors.New("--epoch-replica: a directory is needed")
	case s.RotateEvery != 0 && s.RotateEvery < time.Hour:
		return errors.New("--rotate-every: an hour at least, or 0 for not at all")
	case s.PhoneRegion != "" && !countryPattern.MatchString(s.PhoneRegion):
		return errors.New("--phone-region: a country has two capital letters, such as DE")
	}
	return nil
}

var keyServices = []string{"hashivault", "awskms", "gcpkms", "azurekeyvault"}

// rootScheme is what stands before "://" in the root key's name, or "".
func (s *Storage) rootScheme() string {
	scheme, _, ok := strings.Cut(s.RootKey, "://")
	if !ok {
		return ""
	}
	return scheme
}

// Resolved returns s with every place filled in: those left empty lie under
// the data directory. RootKey becomes a plain path when it is a file.
func (s Storage) Resolved() Storage {
	under := func(given, name string) string {
		if given == "" {
			return filepath.Join(s.Data, name)
		}
		return filepath.Clean(given)
	}
	s.Data = filepath.Clean(s.Data)
	s.Keys, s.Epochs, s.Lookup = under(s.Keys, "keys"), under(s.Epochs, "epochs"), under(s.Lookup, "lookup")
	s.Pins, s.Journal = under(s.Pins, "pins"), under(s.Journal, "journal")
	s.EpochReplicas = slices.Clone(s.EpochReplicas)
	for i, dir := range s.EpochReplicas {
		s.EpochReplicas[i] = filepath.Clean(dir)
	}
	if s.rootScheme() == "" {
		s.RootKey = under(strings.TrimPrefix(s.RootKey, "file:"), "root.key")
	}
	return s
}

// Places are all directories and files that the ledger keeps anything in.
func (s Storage) Places() []string {
	r := s.Resolved()
	places := append([]string{r.Data, r.Keys, r.Epochs, r.Lookup, r.Pins, r.Journal}, r.EpochReplicas...)
	if r.rootScheme() == "" {
		places = append(places, r.RootKey)
	}
	return places
}

// Warnings tells which places lie where one backup would take them together
// with what they protect. It is for the operator, and no error: a trial on
// one directory is fine.
func (s Storage) Warnings() []string {
	r := s.Resolved()
	var out []string
	type place struct{ setting, path, why string }
	places := []place{
		{"keys", r.Keys, "a backup of the ledger would hold the keys that open it"},
		{"epochs", r.Epochs, "a backup could revive what was erased"},
		{"lookup", r.Lookup, "a backup could confirm an erased address by guessing"},
		{"pins", r.Pins, "a restored copy of the ledger would not be noticed"},
		{"journal", r.Journal, "a restored copy would not know what was erased since"},
	}
	if r.rootScheme() == "" {
		places = append(places, place{"root-key", r.RootKey, "whoever has the directory has everything"})
	}
	for _, dir := range r.EpochReplicas {
		places = append(places, place{"epoch-replica", dir, "a backup could revive what was erased"})
	}
	for _, p := range places {
		if inside(r.Data, p.path) {
			out = append(out, fmt.Sprintf("--%s lies inside the data directory: %s", p.setting, p.why))
		}
	}
	if len(r.EpochReplicas) == 0 {
		out = append(out, "--epoch-replica is not set: the epoch keys lie in one place, and losing it loses all data")
	}
	return out
}

// originPattern is a URL without scheme, as C2SP tlog-checkpoint recommends:
// no spaces, no plus.
var originPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9._~-]+)*$`)

// Check reports settings that cannot work.
func (s *Seal) Check() error {
	switch {
	case s.Origin != "" && (!originPattern.MatchString(s.Origin) || len(s.Origin) > 200):
		return errors.New("--log-origin: a URL without scheme, such as ledger.example.com/log")
	case s.Interval < time.Millisecond || s.Interval > time.Minute:
		return errors.New("--seal-interval: 1ms to 1m")
	case s.Bound < s.Interval:
		return errors.New("--seal-bound: at least --seal-interval")
	}
	return nil
}

func inside(dir, path string) bool {
	d, errD := filepath.Abs(dir)
	p, errP := filepath.Abs(path)
	if errD != nil || errP != nil {
		return true // cannot tell: warn
	}
	rel, err := filepath.Rel(d, p)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// MetricsOff reports whether /metrics is turned off.
func (h *HTTP) MetricsOff() bool { return h.MetricsListen == "off" || h.MetricsListen == "" }

// Check reports settings that cannot work.
func (h *HTTP) Check() error {
	if _, _, err := net.SplitHostPort(h.Listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if !h.MetricsOff() {
		if _, _, err := net.SplitHostPort(h.MetricsListen); err != nil {
			return fmt.Errorf("--metrics-listen: %w", err)
		}
		if h.MetricsListen == h.Listen && !strings.HasSuffix(h.Listen, ":0") {
			return errors.New("--metrics-listen: /metrics needs an address of its own")
		}
	}
	for name, d := range map[string]time.Duration{
		"read-header-timeout": h.ReadHeaderTimeout, "read-timeout": h.ReadTimeout,
		"write-timeout": h.WriteTimeout, "idle-timeout": h.IdleTimeout, "shutdown-timeout": h.ShutdownTimeout,
	} {
		if d <= 0 {
			return fmt.Errorf("--%s: must be longer than nothing", name)
		}
	}
	return nil
}

// Check reports settings that cannot work.
func (l *Limits) Check() error {
	switch {
	case l.MaxBody < 1<<10 || l.MaxBody > 64<<20:
		return fmt.Errorf("--max-body: %s is outside 1KiB to 64MiB", l.MaxBody)
	case l.MaxHeader < 4<<10 || l.MaxHeader > 1<<20:
		return fmt.Errorf("--max-header: %s is outside 4KiB to 1MiB", l.MaxHeader)
	case l.Rate < 0 || l.AnonymousRate < 0:
		return errors.New("--rate, --anonymous-rate: cannot be negative")
	case l.Rate > 0 && l.Burst < 1:
		return errors.New("--burst: at least 1 where there is a rate")
	case l.MaxFeeds < 1:
		return errors.New("--max-feeds: at least 1")
	}
	return nil
}

// Check reports settings that cannot work. It never repeats the address,
// which may hold a password by mistake.
func (c *Client) Check() error {
	if c.Server == "" {
		return nil
	}
	u, err := url.Parse(c.Server)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return errors.New("--server: an address has the form https://HOST[:PORT]")
	case u.User != nil || u.RawQuery != "":
		return errors.New("--server: credentials do not belong in an address; use --token-file")
	}
	return nil
}

// maxToken bounds a token file; tokens have some fifty characters.
const maxToken = 4 << 10

// Token returns the access token for Server: the content of TokenFile or,
// without one, the environment variable LETHE_TOKEN, which lookup reads
// (os.LookupEnv). Its errors never repeat what was read.
func (c *Client) Token(lookup func(string) (string, bool)) (string, error) {
	if c.TokenFile == "" {
		token, _ := lookup("LETHE_TOKEN")
		if token = strings.TrimSpace(token); token != "" {
			return token, nil
		}
		return "", errors.New("a token is needed: name its file with --token-file or set LETHE_TOKEN")
	}
	f, err := os.Open(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("opening the token file: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("reading the token file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || len(text) > maxToken || strings.ContainsAny(token, " \t\r\n") {
		return "", errors.New("the token file does not hold one token")
	}
	return token, nil
}

var periodPattern = regexp.MustCompile(`^P([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?$`)

// Check reports settings that cannot work.
func (e *Erasure) Check() error {
	switch {
	case e.Grace < 0 || e.Grace > 30*24*time.Hour:
		return errors.New("--erasure-grace: 0s to 720h")
	case e.Evidence != "none" && (e.Evidence == "P" || !periodPattern.MatchString(e.Evidence)):
		return errors.New("--evidence-retention: an ISO 8601 period such as P3Y, or none")
	case e.DropAfter != 0 && e.DropAfter < 24*time.Hour:
		return errors.New("--drop-after: 0s, which is off, or at least 24h")
	}
	return nil
}

// Limitation is Evidence as an ISO 8601 period, "" for none.
func (e Erasure) Limitation() string {
	if e.Evidence == "none" {
		return ""
	}
	return e.Evidence
}
