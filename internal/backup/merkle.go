package backup

import (
	"golang.org/x/mod/sumdb/tlog"
)

// tree computes the root of an RFC 6962 tree of leaves that come one by one.
// It keeps the roots of its full subtrees, the largest first.
type tree struct {
	size  uint64
	roots []tlog.Hash
}

func (t *tree) add(leaf tlog.Hash) {
	t.roots = append(t.roots, leaf)
	t.size++
	for n := t.size; n%2 == 0; n /= 2 { // two of one size make one of twice the size
		last := len(t.roots) - 1
		t.roots = append(t.roots[:last-1], tlog.NodeHash(t.roots[last-1], t.roots[last]))
	}
}

// root is of a tree that has a leaf.
func (t *tree) root() tlog.Hash {
	root := t.roots[len(t.roots)-1]
	for i := len(t.roots) - 2; i >= 0; i-- {
		root = tlog.NodeHash(t.roots[i], root)
	}
	return root
}
