package projections

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// readers bounds the connections that read one view.
const readers = 4

// reader is the reading side of one view file. It outlives the file's time as
// the live one until its last user is done.
type reader struct {
	db   *sql.DB
	path string

	gone chan struct{} // closed when it has ended

	mu      sync.Mutex
	users   int
	retired bool
	remove  bool
}

func openReader(path string) (*reader, error) {
	db, err := sql.Open(driver, dsn(path, read))
	if err != nil {
		return nil, fmt.Errorf("opening the view to read: %w", err)
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return &reader{db: db, path: path, gone: make(chan struct{})}, nil
}

func (r *reader) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users++
}

func (r *reader) leave() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.users--
	return r.end()
}

// retire ends it once nobody uses it; remove takes the file away too.
func (r *reader) retire(remove bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.retired, r.remove = true, remove
	return r.end()
}

// end closes, when it is time. r.mu is held.
func (r *reader) end() error {
	if !r.retired || r.users > 0 {
		return nil
	}
	err := r.db.Close()
	if r.remove {
		err = errors.Join(err, removeFile(r.path))
	}
	close(r.gone)
	return err
}

func (r *reader) isGone() bool {
	select {
	case <-r.gone:
		return true
	default:
		return false
	}
}

// Querier is one consistent state of a view.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Source lends views to their queries; a Runner is one.
type Source interface {
	Read(ctx context.Context, view string, with func(Querier) error) error
}

var _ Source = (*Runner)(nil)

// Read calls with on one consistent state of the view: all its queries see
// the rows as of one position, also while the view follows on or its file is
// exchanged. A view that has failed or has no file yet is refused with a
// *domain.Error of KindUnavailable, rather than showing old rows as current.
func (r *Runner) Read(ctx context.Context, name string, with func(Querier) error) (err error) {
	v, err := r.view(name)
	if err != nil {
		return err
	}
	handle, err := v.lend()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, handle.leave()) }()
	err = handle.read(ctx, with)
	if damaged(err) {
		v.fail(fmt.Errorf("reading the view: %w", err))
		return unavailable(name, err)
	}
	return err
}

func (r *reader) read(ctx context.Context, with func(Querier) error) error {
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("reading the view: %w", err)
	}
	err = with(tx)
	if e := tx.Rollback(); err == nil && e != nil && !errors.Is(e, sql.ErrTxDone) {
		err = fmt.Errorf("reading the view: %w", e)
	}
	return err
}

func (v *view) lend() (*reader, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil || v.reader == nil {
		return nil, unavailable(v.projection.Name(), v.err)
	}
	v.reader.enter()
	return v.reader, nil
}

// Check reads the view's whole file and reports damage, which then is mended
// by a rebuild.
func (r *Runner) Check(ctx context.Context, name string) error {
	v, err := r.view(name)
	if err != nil {
		return err
	}
	handle, err := v.lend()
	if err != nil {
		return err
	}
	err = quickCheck(ctx, handle.db)
	if damaged(err) {
		v.fail(fmt.Errorf("checking the view: %w", err))
	}
	return errors.Join(err, handle.leave())
}
