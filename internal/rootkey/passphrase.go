package rootkey

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/crypto/argon2"

	"lethe/internal/part"
)

// A root key file under a passphrase is one line too:
//
//	lethe-root-key-1:argon2id:t=3,m=65536,p=4:<salt 16, base64>:<nonce ‖ GCM(key 32) ‖ tag, base64>
//
// t, m in KiB and p are Argon2id's (RFC 9106); what is made has the RFC's
// second recommendation. What stands in a file is bounded when it is read, so
// that a changed file cannot take the machine's memory.
const (
	sealedPrefix  = "argon2id:"
	saltSize      = 16
	defaultTime   = 3
	defaultMemory = 64 << 10
	threads       = 4
	maxTime       = 64
	maxMemory     = 1 << 20 // KiB
	minPassphrase = 12      // characters of one that is made
)

// passphrase reads the file that holds it.
func passphrase(o Options) ([]byte, error) {
	line, err := readPrivate(o.PassphraseFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the file with the passphrase of the root key is missing: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase of the root key: %w", err)
	}
	if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
		return nil, fmt.Errorf("%s holds no passphrase", o.PassphraseFile)
	}
	return line, nil
}

func stretched(phrase, salt []byte, time, memory uint32, lanes uint8) (cipher.AEAD, error) {
	key := argon2.IDKey(phrase, salt, time, memory, lanes, keySize)
	defer clear(key)
	return part.NewAEAD(key)
}

// sealLine is the line of a new file.
func sealLine(key [keySize]byte, o Options) ([]byte, error) {
	phrase, err := passphrase(o)
	if err != nil {
		return nil, err
	}
	defer clear(phrase)
	if len(phrase) < minPassphrase {
		return nil, fmt.Errorf("a passphrase has at least %d characters", minPassphrase)
	}
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(o.Rand, salt); err != nil {
		return nil, fmt.Errorf("drawing a salt: %w", err)
	}
	aead, err := stretched(phrase, salt, o.passes, o.memory, threads)
	if err != nil {
		return nil, err
	}
	in64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, "%s%st=%d,m=%d,p=%d:%s:%s\n", filePrefix, sealedPrefix, o.passes, o.memory, threads,
		in64(salt), in64(aead.Seal(nil, nil, key[:], nil))), nil
}

// sealedKey is a parsed line.
type sealedKey struct {
	time, memory uint32
	lanes        uint8
	salt, box    []byte
}

func parseSealed(body []byte) (s sealedKey, err error) {
	fields := bytes.Split(body, []byte(":"))
	if len(fields) != 4 {
		return s, errNotRoot
	}
	if n, err := fmt.Sscanf(string(fields[1]), "t=%d,m=%d,p=%d", &s.time, &s.memory, &s.lanes); err != nil || n != 3 {
		return s, errNotRoot
	}
	if s.time < 1 || s.time > maxTime || s.memory < 8*uint32(s.lanes) || s.memory > maxMemory || s.lanes < 1 ||
		string(fields[1]) != fmt.Sprintf("t=%d,m=%d,p=%d", s.time, s.memory, s.lanes) {
		return s, errNotRoot
	}
	var err1, err2 error
	s.salt, err1 = base64.StdEncoding.Strict().DecodeString(string(fields[2]))
	s.box, err2 = base64.StdEncoding.Strict().DecodeString(string(fields[3]))
	if err1 != nil || err2 != nil || len(s.salt) != saltSize || len(s.box) != 12+keySize+16 {
		return s, errNotRoot
	}
	return s, nil
}

func openSealed(path string, body []byte, o Options) (key [keySize]byte, err error) {
	s, err := parseSealed(body)
	if err != nil {
		return key, fmt.Errorf("%s %w", path, err)
	}
	if o.PassphraseFile == "" {
		return key, fmt.Errorf("%s is under a passphrase: name the file that holds it with --root-passphrase-file", path)
	}
	phrase, err := passphrase(o)
	if err != nil {
		return key, err
	}
	defer clear(phrase)
	aead, err := stretched(phrase, s.salt, s.time, s.memory, s.lanes)
	if err != nil {
		return key, err
	}
	plain, err := aead.Open(nil, nil, s.box, nil)
	if err != nil || len(plain) != keySize {
		return key, fmt.Errorf("%s: %w", path, ErrPassphrase)
	}
	defer clear(plain)
	copy(key[:], plain)
	return key, nil
}
