package verifycmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"lethe/internal/bundle"
	"lethe/internal/certificate"
	"lethe/internal/tlog"
	"lethe/internal/tlog/tileclient"
)

// maxText bounds the files beside the bundle.
const maxText = 1 << 20

// verify reads what the options name and checks it. A nil report means that
// the error came before anything was checked.
func verify(ctx context.Context, o *options) (*bundle.Report, error) {
	file, err := read(o.file, bundle.MaxSize)
	if err != nil {
		return nil, err
	}
	trust, err := o.trust()
	if err != nil {
		return nil, err
	}
	if o.certificate || certificate.Is(file) {
		return o.verifyCertificate(ctx, file, trust)
	}
	if o.page != "" {
		return nil, fmt.Errorf("%w: --page is for a certificate, which %s is not", errUsage, o.file)
	}
	if bundle.IsProof(file) {
		return bundle.VerifyProof(ctx, file, trust)
	}
	return bundle.Verify(ctx, file, trust)
}

func (o *options) verifyCertificate(ctx context.Context, file []byte, trust bundle.Trust) (*bundle.Report, error) {
	var page []byte
	if o.page != "" {
		var err error
		if page, err = read(o.page, 2*certificate.MaxSize); err != nil {
			return nil, err
		}
		if page == nil {
			page = []byte{} // an empty page is not none
		}
	}
	return bundle.VerifyCertificate(ctx, file, page, trust)
}

func (o *options) trust() (t bundle.Trust, err error) {
	t.Workers = runtime.GOMAXPROCS(0)
	for _, k := range o.keys {
		if err := addKey(&t, k); err != nil {
			return t, err
		}
	}
	if o.policy != "" {
		text, err := read(o.policy, tlog.MaxPolicy)
		if err != nil {
			return t, err
		}
		if t.Policy, err = tlog.ParsePolicy(text); err != nil {
			return t, fmt.Errorf("%w: --policy: %w", errUsage, err)
		}
	}
	if o.checkpoint != "" {
		if t.Checkpoint, err = read(o.checkpoint, tlog.MaxNote); err != nil {
			return t, err
		}
	}
	if o.consistency != "" {
		if t.Consistency, err = read(o.consistency, maxText); err != nil {
			return t, err
		}
	}
	return t, o.source(&t)
}

// addKey takes a verifier key, or a file with keys or with a key list.
func addKey(t *bundle.Trust, arg string) error {
	if _, err := tlog.NewVerifier(arg); err == nil {
		t.Keys = append(t.Keys, arg)
		return nil
	}
	text, err := read(arg, maxText)
	if err != nil {
		return fmt.Errorf("--key is neither a verifier key nor a file that can be read: %w", err)
	}
	if list, ok := keyListOf(text); ok {
		if t.KeyList != nil {
			return fmt.Errorf("%w: --key: one key list at most", errUsage)
		}
		t.KeyList, err = tlog.ParseKeyList(list)
		if err != nil {
			return fmt.Errorf("%w: --key: %w", errUsage, err)
		}
		return nil
	}
	keys := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := tlog.NewVerifier(line); err != nil {
			return fmt.Errorf("%w: --key: %w", errUsage, err)
		}
		t.Keys, keys = append(t.Keys, line), keys+1
	}
	if keys == 0 {
		return fmt.Errorf("%w: --key: there is no key in %s", errUsage, arg)
	}
	return nil
}

// keyListOf takes the text of a key list out of a file: the signed note, or
// the text alone. Giving the file is what vouches for it.
func keyListOf(file []byte) (string, bool) {
	if !strings.HasPrefix(string(file), "lethe log keys ") {
		return "", false
	}
	if text, _, err := tlog.SplitNote(file); err == nil {
		return text, true
	}
	return string(file), true
}

// source opens the tiles of --tiles.
func (o *options) source(t *bundle.Trust) error {
	if o.tiles == "" {
		return nil
	}
	if !strings.HasPrefix(o.tiles, "http://") && !strings.HasPrefix(o.tiles, "https://") {
		if info, err := os.Stat(o.tiles); err != nil {
			return fmt.Errorf("--tiles: %w", err)
		} else if !info.IsDir() {
			return fmt.Errorf("%w: --tiles is neither a folder nor an address that begins with https://", errUsage)
		}
		d := tlog.Dir(o.tiles)
		t.Tiles, t.Entries = d, d
		return nil
	}
	client := tileclient.New(o.tiles, &http.Client{Timeout: time.Minute})
	if o.tokenFile != "" {
		if err := secret(o.tiles); err != nil {
			return err
		}
		token, err := read(o.tokenFile, 4<<10)
		if err != nil {
			return err
		}
		client.EntriesToken = strings.TrimSpace(string(token))
	}
	t.Tiles, t.Entries = client, client
	return nil
}

// secret refuses to send a token where others on the way could read it.
func secret(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%w: --tiles is no address", errUsage)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: a token is sent by https:// only, or within this machine", errUsage)
}

// read reads a file of at most limit bytes.
func read(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // what the user names
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("reading %s: it has more than %d bytes", name, limit)
	}
	return b, nil
}
