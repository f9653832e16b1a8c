package oracles

import (
	"log/slog"
	"os"
	"testing"

	"k8s.io/klog/v2"
)

// fsck tells of each run; only what goes wrong is shown.
func TestMain(m *testing.M) {
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	os.Exit(m.Run())
}
