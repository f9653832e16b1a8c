package keyring

import (
	"context"
	"sync"
)

// committer makes one transaction of the jobs of all callers that wait, so
// that they share one sync of the disk. It waits for nobody: while one batch
// is being synced the next one gathers.
type committer[J any] struct {
	queue  chan waiting[J]
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once
	limit  int             // weight of one batch, unless a single job is heavier
	weigh  func(J) int     // rows of a job
	commit func([]J) error // its error fails every job of the batch
}

type waiting[J any] struct {
	job  J
	done chan error
}

func newCommitter[J any](limit int, weigh func(J) int, commit func([]J) error) *committer[J] {
	c := &committer[J]{
		queue: make(chan waiting[J], 1024), quit: make(chan struct{}), done: make(chan struct{}),
		limit: limit, weigh: weigh, commit: commit,
	}
	go c.run()
	return c
}

// do submits a job and waits until its batch is durable. ctx counts only
// until the job is submitted: a job under way belongs to its batch.
func (c *committer[J]) do(ctx context.Context, job J) error {
	w := waiting[J]{job: job, done: make(chan error, 1)}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-c.quit:
		return ErrClosed
	default:
	}
	select {
	case c.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.quit:
		return ErrClosed
	}
	select {
	case err := <-w.done:
		return err
	case <-c.done:
		select { // its batch may have been the last one
		case err := <-w.done:
			return err
		default:
			return ErrClosed
		}
	}
}

func (c *committer[J]) run() {
	defer close(c.done)
	for {
		select {
		case <-c.quit:
			return
		case first := <-c.queue:
			c.batch(first)
		}
	}
}

func (c *committer[J]) batch(first waiting[J]) {
	batch := []waiting[J]{first}
	jobs := []J{first.job}
	for weight := c.weigh(first.job); weight < c.limit; {
		select {
		case w := <-c.queue:
			batch, jobs = append(batch, w), append(jobs, w.job)
			weight += c.weigh(w.job)
			continue
		default:
		}
		break
	}
	err := c.commit(jobs)
	for _, w := range batch {
		w.done <- err
	}
}

// close waits for the batch under way; jobs that still queue get ErrClosed.
func (c *committer[J]) close() {
	c.once.Do(func() { close(c.quit) })
	<-c.done
}
