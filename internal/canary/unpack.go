package canary

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// A format is packed data that says so at its beginning.
type format struct {
	name  string
	magic string
	open  func(r *bufio.Reader) (io.Reader, error)
}

// unpackers are made when first needed. skip is, by format, up to where a
// file was unpacked already: what looks like a beginning before it is part of
// that.
type unpackers struct {
	formats []format
	skip    []int64
	flate   io.ReadCloser
	zlib    io.ReadCloser
	gzip    gzip.Reader
	zstd    *zstd.Decoder
}

// maxUnpacked bounds what is unpacked from one beginning, in bytes.
const maxUnpacked = 4 << 30

func (u *unpackers) init() {
	if u.formats != nil {
		return
	}
	u.formats = []format{
		{"gzip", "\x1f\x8b\x08", u.openGzip},
		{"zip", "PK\x03\x04", u.openZip},
		{"zstd", "\x28\xb5\x2f\xfd", u.openZstd},
	}
	for _, level := range []string{"\x01", "\x5e", "\x9c", "\xda"} { // of a window of 32 KiB, without a dictionary (RFC 1950)
		u.formats = append(u.formats, format{"zlib", "\x78" + level, u.openZlib})
	}
	u.skip = make([]int64, len(u.formats))
}

func (u *unpackers) openGzip(r *bufio.Reader) (io.Reader, error) { return &u.gzip, u.gzip.Reset(r) }

// zipHeader of a file in a zip (APPNOTE 4.3.7): method at 8, lengths of name
// and extra field at 26 and 28, then these.
const (
	zipHeader  = 30
	zipDeflate = 8
)

func (u *unpackers) openZip(r *bufio.Reader) (io.Reader, error) {
	h, err := r.Peek(zipHeader)
	if err != nil {
		return nil, fmt.Errorf("reading a zip's header: %w", err)
	}
	if binary.LittleEndian.Uint16(h[8:]) != zipDeflate {
		return bytes.NewReader(nil), nil // stored files were searched as they are
	}
	if _, err := r.Discard(zipHeader + int(binary.LittleEndian.Uint16(h[26:])) + int(binary.LittleEndian.Uint16(h[28:]))); err != nil {
		return nil, fmt.Errorf("reading a zip's header: %w", err)
	}
	if u.flate == nil {
		u.flate = flate.NewReader(r)
		return u.flate, nil
	}
	if again, ok := u.flate.(flate.Resetter); ok {
		return u.flate, again.Reset(r, nil)
	}
	u.flate = flate.NewReader(r)
	return u.flate, nil
}

func (u *unpackers) openZlib(r *bufio.Reader) (_ io.Reader, err error) {
	if again, ok := u.zlib.(zlib.Resetter); ok {
		return u.zlib, again.Reset(r, nil)
	}
	u.zlib, err = zlib.NewReader(r)
	return u.zlib, err //nolint:wrapcheck // it only looked like a beginning
}

func (u *unpackers) openZstd(r *bufio.Reader) (io.Reader, error) {
	if u.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, fmt.Errorf("opening zstd: %w", err)
		}
		u.zstd = d
	}
	return u.zstd, u.zstd.Reset(r)
}

// unpack searches what is packed from within the new bytes of a window. What
// is no such stream after all ends with the first error in it.
func (s *searcher) unpack(ctx context.Context, p *piece, kept int, o origin, section func(at int64) io.Reader) error {
	if section == nil {
		return nil // see unpackPiece
	}
	u := &s.packed
	u.init()
	if p.base == 0 {
		clear(u.skip)
	}
	for i := range u.formats {
		f := &u.formats[i]
		for from := max(0, kept-len(f.magic)+1); ; {
			next := bytes.Index(p.data[from:], []byte(f.magic))
			if next < 0 {
				break
			}
			at := p.base + int64(from+next)
			from += next + 1
			if at < u.skip[i] {
				continue
			}
			size, err := s.unpackOne(ctx, f, section(at), origin{file: o.file, at: at, how: o.how + f.name + " > ", depth: o.depth + 1})
			if err != nil {
				return err
			}
			u.skip[i] = at + size
		}
	}
	return nil
}

// unpackOne searches one packed stream, and says how many bytes it has. The
// error is the context's.
func (s *searcher) unpackOne(ctx context.Context, f *format, from io.Reader, o origin) (size int64, err error) {
	counted := &counter{r: from}
	in := bufio.NewReader(counted)
	r, err := f.open(in)
	if err != nil {
		return 1, nil //nolint:nilerr // it only looked like a beginning
	}
	limited := &io.LimitedReader{R: r, N: maxUnpacked}
	_ = s.stream(ctx, limited, o, nil) // it ends where the stream does, or where it is none
	if limited.N == 0 {
		s.unread(fmt.Sprintf("what is packed at offset %d unpacks to more than %d bytes: only these were searched", o.at, int64(maxUnpacked)))
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return max(counted.n-int64(in.Buffered()), 1), nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// unpackPiece searches what is packed in a piece that is no window of a file:
// as far as it goes there, and at most a window of it.
func (s *searcher) unpackPiece(p *piece, out *derived, t *tally) {
	if p.file {
		return // see unpack
	}
	u := &s.inner
	u.init()
	for i := range u.formats {
		f := &u.formats[i]
		for from := 0; ; from++ {
			next := bytes.Index(p.data[from:], []byte(f.magic))
			if next < 0 {
				break
			}
			from += next
			r, err := f.open(bufio.NewReader(bytes.NewReader(p.data[from:])))
			if err != nil {
				continue
			}
			out.reset()
			out.fill(io.LimitReader(r, windowSize), from)
			if len(out.data) >= s.v.least {
				s.piece(out.piece(p, f.name), t)
			}
		}
	}
}

// fill puts what r gives until its first error.
func (d *derived) fill(r io.Reader, at int) {
	var buf [4096]byte
	for {
		n, err := r.Read(buf[:])
		for _, b := range buf[:n] {
			d.put(b, at)
		}
		if err != nil {
			return
		}
	}
}
