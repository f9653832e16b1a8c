//go:build !unix

package bench

import "time"

// processorTime is not known here: figures leave it out.
func processorTime() time.Duration { return 0 }
