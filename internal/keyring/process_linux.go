package keyring

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DisableCoreDumps keeps keys out of core files and from other processes of
// the same user: no dump, no ptrace. The program calls it first of all. The
// price: parts of /proc/self belong to root afterwards, so that a metric such
// as the number of open files may be missing.
func DisableCoreDumps() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turning core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("turning core dumps off: %w", err)
	}
	return nil
}
