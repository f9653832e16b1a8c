package witness

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/mod/sumdb/note"

	"lethe/internal/durable"
	"lethe/internal/tlog"
)

// Options are what a server is made of.
type Options struct {
	FS    vfs.FS // the machine's when nil
	Dir   string // holds one file for each log; made when it is not there
	Name  string // the witness's key name, such as witness.example/w1
	Key   Key
	MLDSA bool     // cosign with ML-DSA-44 too
	Logs  []string // vkeys of the logs; a key's name is the origin; several keys of an origin are alternatives
	Now   func() time.Time
	Log   *slog.Logger // tells of logs and sizes, not of who asks
}

// Server is a witness. What it cosigned is in its directory before an answer
// leaves: the latest checkpoint of each log, in a file named by the hash of
// its origin, which is also what the monitoring path serves. A second server
// cannot open the directory.
//
// The directory must never be replaced by an older copy of itself: the witness
// would forget what it cosigned.
type Server struct {
	logs  map[string]*history // by origin
	byURL map[string]*history // by the origin's hash
	vkeys []string
	slots chan struct{} // of requests that are answered at once
	log   *slog.Logger
	lock  io.Closer
}

// maxAtOnce bounds the checkpoints that are taken in at once, and so memory.
const maxAtOnce = 64

// Open makes the server and reads what it cosigned. A file that neither the
// witness nor the log signed is an error: nothing is taken for new that may
// have been cosigned.
func Open(o Options) (*Server, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	s := &Server{
		logs: map[string]*history{}, byURL: map[string]*history{},
		slots: make(chan struct{}, maxAtOnce), log: o.Log,
	}
	var err error
	if s.vkeys, err = o.Key.VKeys(o.Name, o.MLDSA); err != nil {
		return nil, fmt.Errorf("making the witness's keys: %w", err)
	}
	if err := s.configure(o); err != nil {
		return nil, err
	}
	if err := durable.MakeDirs(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("making the witness's directory: %w", err)
	}
	if s.lock, err = o.FS.Lock(o.FS.PathJoin(o.Dir, "LOCK")); err != nil {
		return nil, fmt.Errorf("locking the witness's directory: another witness may use it: %w", err)
	}
	for _, h := range s.logs {
		if err := h.load(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// configure groups the logs' keys by origin.
func (s *Server) configure(o Options) error {
	keys := map[string][]string{}
	for _, vkey := range o.Logs {
		alg, err := tlog.KeyAlgorithm(vkey)
		if err != nil {
			return fmt.Errorf("reading a log's key: %w", err)
		}
		if !alg.LogSigns() {
			return fmt.Errorf("reading a log's key: %s is no key of a log", alg)
		}
		v, err := tlog.NewVerifier(vkey)
		if err != nil {
			return fmt.Errorf("reading a log's key: %w", err)
		}
		if !slices.Contains(keys[v.Name()], vkey) {
			keys[v.Name()] = append(keys[v.Name()], vkey)
		}
	}
	for origin, vkeys := range keys {
		h, err := newHistory(o, origin, vkeys, s.vkeys)
		if err != nil {
			return err
		}
		s.logs[origin], s.byURL[h.file] = h, h
	}
	return nil
}

// verifiersOf makes verifiers of vkeys.
func verifiersOf(vkeys ...string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, vkey := range vkeys {
		v, err := tlog.NewVerifier(vkey)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}

// VKeys are the witness's verifier keys.
func (s *Server) VKeys() []string { return slices.Clone(s.vkeys) }

// Close frees the directory. No request may be under way.
func (s *Server) Close() error { return s.lock.Close() }

// Handler answers the protocol's requests:
//
//	POST /add-checkpoint                 200, or 400, 403, 404, 409, 422; 413, 503
//	GET  /<hash of origin>/checkpoint    200, or 404
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", s.addCheckpoint)
	mux.HandleFunc("GET /{hash}/checkpoint", s.latest)
	return mux
}
