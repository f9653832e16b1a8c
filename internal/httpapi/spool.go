package httpapi

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// spool keeps an uploaded file while it is imported, since importing reads it
// several times and in no fixed order. What lies on disk is AES-256-CTR under
// a key that is drawn for it and kept in memory only, in a file without a
// name: nothing of it can be read after a crash, and nothing needs to be
// removed. It is not authenticated: whoever could change it could change the
// process.
//
//	byte n of the file ↔ keystream block n/16, byte n%16
type spool struct {
	file  *os.File
	block cipher.Block
}

// spoolError is a failure of the disk, not of the upload.
type spoolError struct{ err error }

func (e *spoolError) Error() string { return "keeping an upload: " + e.err.Error() }
func (e *spoolError) Unwrap() error { return e.err }

const spoolPattern = "upload-*.spool"

func newSpool(dir string, rand io.Reader) (*spool, error) {
	var key [32]byte
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return nil, &spoolError{err}
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, &spoolError{err}
	}
	clear(key[:])
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, &spoolError{err}
		}
	}
	f, err := os.CreateTemp(dir, spoolPattern)
	if err != nil {
		return nil, &spoolError{err}
	}
	if err := os.Remove(f.Name()); err != nil { // where a file in use can be removed
		return nil, &spoolError{errors.Join(err, f.Close())}
	}
	return &spool{file: f, block: block}, nil
}

// fill takes the whole upload and returns its size.
func (s *spool) fill(from io.Reader) (int64, error) {
	stream := s.stream(0)
	buf := make([]byte, 64<<10)
	var size int64
	for {
		n, err := from.Read(buf)
		stream.XORKeyStream(buf[:n], buf[:n])
		if _, werr := s.file.Write(buf[:n]); werr != nil {
			return size, &spoolError{werr}
		}
		size += int64(n)
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// ReadAt is io.ReaderAt over what was uploaded.
func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.file.ReadAt(p, off)
	stream := s.stream(off / aes.BlockSize)
	var skip [aes.BlockSize]byte
	stream.XORKeyStream(skip[:off%aes.BlockSize], skip[:off%aes.BlockSize])
	stream.XORKeyStream(p[:n], p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("reading an upload: %w", err)
	}
	return n, err
}

func (s *spool) stream(block int64) cipher.Stream {
	var counter [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[8:], uint64(block))
	return cipher.NewCTR(s.block, counter[:])
}

func (s *spool) close() { _ = s.file.Close() } // it has no name: closing is removing
