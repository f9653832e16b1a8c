package cli

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how far long work is: bars on a terminal, else a plain line
// for each now and then. It is used by one goroutine.
type progress struct {
	out  io.Writer
	bars *mpb.Progress
	by   map[string]*mpb.Bar
	last map[string]time.Time
}

// every is how often a plain line is written.
const every = 2 * time.Second

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, by: map[string]*mpb.Bar{}, last: map[string]time.Time{}}
	if terminal(out) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(48))
	}
	return p
}

func (p *progress) set(name string, done, total int64) {
	if p.bars == nil {
		p.line(name, done, total)
		return
	}
	bar := p.by[name]
	if bar == nil {
		// A bar with a total ends by itself when it is reached; the work behind
		// it goes on until whoever does it says so.
		bar = p.bars.AddBar(0,
			mpb.PrependDecorators(decor.Name(name+" ", decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.Percentage(decor.WC{W: 5}), decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8}), " done")))
		p.by[name] = bar
	}
	bar.SetTotal(max(total, done, 1), false)
	bar.SetCurrent(done)
}

func (p *progress) line(name string, done, total int64) {
	now := time.Now()
	if at, begun := p.last[name]; begun && now.Sub(at) < every {
		return
	} else if !begun {
		p.last[name] = now // the first line comes when it takes a while
		return
	}
	p.last[name] = now
	percent := int64(0)
	if total > 0 {
		percent = min(100, 100*done/total)
	}
	fmt.Fprintf(p.out, "%s: %d %%\n", name, percent)
}

// end completes the bars, or leaves them where they are, and gives the terminal back.
func (p *progress) end(done bool) {
	if p.bars == nil {
		return
	}
	for _, bar := range p.by {
		if done {
			bar.SetTotal(-1, true)
		} else {
			bar.Abort(false)
		}
	}
	p.bars.Wait()
}

func bytesOf(b []byte) io.Reader {
	if b == nil {
		return nil
	}
	return bytes.NewReader(b)
}
