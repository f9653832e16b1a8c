package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

type build struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Revision string `json:"revision,omitzero"`
}

func (versionCmd) Run(s *shell) error {
	b := build{Version: s.process.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				b.Revision = setting.Value
			}
		}
	}
	if s.root.JSON {
		return s.json(b)
	}
	if _, err := fmt.Fprintf(s.process.Stdout, "lethe %s, %s, %s\n", b.Version, b.Go, b.Platform); err != nil {
		return fmt.Errorf("writing the version: %w", err)
	}
	return nil
}
