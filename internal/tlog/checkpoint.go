package tlog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Checkpoint is what a log signs: the root of its tree at a size
// (c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	Origin    string // the log's identity, one line; no newline
	Size      int64  // leaves, 0 to MaxSize
	Root      Hash   //
	Extension string // further lines, each with its newline; "" as a rule. An ML-DSA-44 signature does not cover them
}

// Text is the note text that is signed.
//
//	<origin>\n
//	<size, decimal>\n
//	<base64(root)>\n
//	(extension lines)
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n" + c.Extension
}

// ParseCheckpoint parses the text of a note; it is the strict inverse of Text.
// That the root at size 0 is the empty tree's is not checked here: see Check.
func ParseCheckpoint(text string) (Checkpoint, error) {
	c, err := parseCheckpoint(text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("parsing a checkpoint: %w", err)
	}
	return c, nil
}

func parseCheckpoint(text string) (c Checkpoint, err error) {
	if len(text) > MaxNote {
		return c, fmt.Errorf("%d bytes, more than %d", len(text), MaxNote)
	}
	if err := checkCharacters([]byte(text)); err != nil {
		return c, err
	}
	if !strings.HasSuffix(text, "\n") {
		return c, errors.New("no newline at the end")
	}
	lines := strings.SplitAfter(text, "\n")
	lines = lines[:len(lines)-1] // what follows the last newline: nothing
	for i, line := range lines {
		if line == "\n" {
			return c, fmt.Errorf("line %d is empty", i+1)
		}
	}
	if len(lines) < 3 {
		return c, fmt.Errorf("%d lines instead of at least 3", len(lines))
	}
	c.Origin = strings.TrimSuffix(lines[0], "\n")
	if c.Size, err = ParseSize(strings.TrimSuffix(lines[1], "\n")); err != nil {
		return c, fmt.Errorf("line 2, the size: %w", err)
	}
	if c.Root, err = ParseHash(strings.TrimSuffix(lines[2], "\n")); err != nil {
		return c, fmt.Errorf("line 3, the root: %w", err)
	}
	c.Extension = strings.Join(lines[3:], "")
	return c, nil
}

// Check refuses a checkpoint that no tree has: of size 0 with a root that is
// not the empty tree's.
func (c Checkpoint) Check() error {
	if c.Size == 0 && c.Root != EmptyRoot() {
		return errors.New("the checkpoint's size is 0 and its root is not that of the empty tree")
	}
	return nil
}

// CheckpointOf parses the checkpoint of a signed note WITHOUT verifying its
// signatures.
func CheckpointOf(signedNote []byte) (Checkpoint, error) {
	text, _, err := SplitNote(signedNote)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("parsing a checkpoint: %w", err)
	}
	return ParseCheckpoint(text)
}
