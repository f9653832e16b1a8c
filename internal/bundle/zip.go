package bundle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// file is one file of a bundle.
type file struct {
	name string
	data []byte
}

// The zip has exactly one form for a list of files, so that equal files give
// equal bytes whatever program, version or machine wrote them: archive/zip is
// not used because its output is not promised to stay the same. Integers are
// little-endian; files stand in the order of their names, stored as they are,
// dated 1980-01-01 (the format's zero), without extra fields or comments.
//
//	for each file:
//	  50 4b 03 04 | needs 10 | flags 0 | method 0 | time 0 | date 0x21 | CRC-32 | size | size | len(name) | 0 | name | data
//	  4 bytes       2          2         2          2        2           4        4      4      2           2
//	for each file:
//	  50 4b 01 02 | made by 10 | needs 10 | flags 0 | method 0 | time 0 | date 0x21 | CRC-32 | size | size | len(name) | 0 | 0 | 0 | 0 | 0 | offset | name
//	  4             2            2          2         2          2        2           4        4      4      2           2   2   2   2   4   4
//	50 4b 05 06 | 0 | 0 | files | files | bytes of the second list | its offset | 0
//	4             2   2   2       2       4                          4            2
const (
	localMagic   = "PK\x03\x04"
	centralMagic = "PK\x01\x02"
	endMagic     = "PK\x05\x06"
	localSize    = 30
	centralSize  = 46
	endSize      = 22
	zipVersion   = 10
	zipDate      = 0x21
)

// appendShared appends what both headers of a file have, from "needs" on.
func appendShared(dst []byte, f file) []byte {
	le := binary.LittleEndian
	for _, v := range [...]uint16{zipVersion, 0, 0, 0, zipDate} {
		dst = le.AppendUint16(dst, v)
	}
	dst = le.AppendUint32(dst, crc32.ChecksumIEEE(f.data))
	dst = le.AppendUint32(dst, uint32(len(f.data)))
	dst = le.AppendUint32(dst, uint32(len(f.data)))
	dst = le.AppendUint16(dst, uint16(len(f.name)))
	return le.AppendUint16(dst, 0)
}

// appendLocal appends the header in front of a file's name and contents.
func appendLocal(dst []byte, f file) []byte {
	return appendShared(append(dst, localMagic...), f)
}

// appendDirectory appends the second list and the end.
func appendDirectory(dst []byte, files []file) []byte {
	le := binary.LittleEndian
	before, offset := len(dst), 0
	for _, f := range files {
		dst = le.AppendUint16(append(dst, centralMagic...), zipVersion)
		dst = append(appendShared(dst, f), make([]byte, 10)...)
		dst = append(le.AppendUint32(dst, uint32(offset)), f.name...)
		offset += localSize + len(f.name) + len(f.data)
	}
	size := len(dst) - before
	dst = append(append(dst, endMagic...), 0, 0, 0, 0)
	dst = le.AppendUint16(le.AppendUint16(dst, uint16(len(files))), uint16(len(files)))
	dst = le.AppendUint32(le.AppendUint32(dst, uint32(size)), uint32(offset))
	return le.AppendUint16(dst, 0)
}

// encode makes the zip of files that are sorted by name. The error says that
// a bound is exceeded.
func encode(files []file) ([]byte, error) {
	size := endSize
	for _, f := range files {
		size += localSize + centralSize + 2*len(f.name) + len(f.data)
		if len(f.name) > maxName {
			return nil, fmt.Errorf("a file's name has %d bytes, at most %d are written", len(f.name), maxName)
		}
	}
	if len(files) > MaxFiles || size > MaxSize {
		return nil, fmt.Errorf("the bundle has %d files and %d bytes, at most %d and %d are written", len(files), size, MaxFiles, MaxSize)
	}
	dst := make([]byte, 0, size)
	for _, f := range files {
		dst = append(append(appendLocal(dst, f), f.name...), f.data...)
	}
	return appendDirectory(dst, files), nil
}

// deviation is where a zip is not the one form of its files.
type deviation struct {
	offset int
	what   string
}

// decode reads a zip and accepts nothing but what encode makes. It goes on
// after what leaves the next file findable, and returns the files up to where
// it could not. The files alias the zip.
func decode(zip []byte) (files []file, wrong []deviation) {
	if len(zip) > MaxSize {
		return nil, []deviation{{MaxSize, fmt.Sprintf("it has %d bytes, at most %d are read", len(zip), MaxSize)}}
	}
	at := 0
	for bytes.HasPrefix(zip[at:], []byte(localMagic)) {
		f, size, stop := decodeLocal(zip[at:])
		if stop != "" {
			return files, append(wrong, deviation{at, stop})
		}
		if len(files) > 0 && f.name <= files[len(files)-1].name {
			wrong = append(wrong, deviation{at, fmt.Sprintf("%q stands behind %q: names are not in order, or one is there twice", f.name, files[len(files)-1].name)})
		}
		var header [localSize]byte
		if d := differ(zip[at:at+localSize], appendLocal(header[:0], f)); d < localSize {
			wrong = append(wrong, deviation{at + d, localField(d, f.name)})
		}
		if files = append(files, f); len(files) > MaxFiles {
			return files, append(wrong, deviation{at, fmt.Sprintf("it has more than %d files", MaxFiles)})
		}
		at += size
	}
	return files, append(wrong, decodeDirectory(zip, at, files)...)
}

// decodeLocal reads one file at the start of b. stop says why nothing behind
// it can be found.
func decodeLocal(b []byte) (f file, size int, stop string) {
	if len(b) < localSize {
		return f, 0, "the zip ends within a file's header"
	}
	le := binary.LittleEndian
	switch flags, method := le.Uint16(b[6:]), le.Uint16(b[8:]); {
	case method != 0:
		return f, 0, "a file is compressed: the zip was written again by another program"
	case flags != 0:
		return f, 0, fmt.Sprintf("a file's flags are %#x instead of 0: the zip was written again by another program, or changed here", flags)
	}
	stored, plain, name, extra := int(le.Uint32(b[18:])), int(le.Uint32(b[22:])), int(le.Uint16(b[26:])), int(le.Uint16(b[28:]))
	size = localSize + name + stored
	switch {
	case stored != plain:
		return f, 0, fmt.Sprintf("a file's two sizes are %d and %d", stored, plain)
	case name == 0 || name > maxName || extra != 0:
		return f, 0, fmt.Sprintf("a file's name has %d bytes and its extra field %d", name, extra)
	case size > len(b):
		return f, 0, fmt.Sprintf("a file of %d bytes is said to be in the %d that are left", stored, len(b))
	}
	return file{string(b[localSize : localSize+name]), b[localSize+name : size : size]}, size, ""
}

// localField names what the d-th byte of a file's header is.
func localField(d int, name string) string {
	switch {
	case d < 10:
		return fmt.Sprintf("the header of %q has another version than 1.0", name)
	case d < 14:
		return fmt.Sprintf("the header of %q has a date", name)
	default:
		return fmt.Sprintf("the CRC-32 in the header of %q is not that of its contents", name)
	}
}

// decodeDirectory compares what stands behind the files with what must.
func decodeDirectory(zip []byte, at int, files []file) []deviation {
	want := appendDirectory(nil, files)
	got := zip[at:]
	if bytes.Equal(got, want) {
		return nil
	}
	d := differ(got, want)
	offset := at + d
	switch {
	case d == len(want):
		return []deviation{{offset, fmt.Sprintf("%d bytes stand behind the end", len(got)-len(want))}}
	case d == len(got):
		return []deviation{{offset, "the zip ends early"}}
	case d < 4 && len(files) == 0:
		return []deviation{{offset, "this is no bundle: it does not begin as a zip with stored files does"}}
	case d < 4:
		return []deviation{{offset, fmt.Sprintf("behind %q there is neither another file nor the zip's directory", files[len(files)-1].name)}}
	case d >= len(want)-endSize:
		return []deviation{{offset, "the zip's end record is not that of its files"}}
	}
	for _, f := range files {
		if d -= centralSize + len(f.name); d < 0 {
			return []deviation{{offset, fmt.Sprintf("the entry of %q in the zip's directory is not that of the file", f.name)}}
		}
	}
	return []deviation{{offset, "the zip's directory is not that of its files"}}
}

// differ is the first offset at which a and b differ, or the shorter one's
// length.
func differ(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
