package eventstore

import "fmt"

// Fault is something wrong with what a store keeps, as an audit lists it: where
// it is, what was found, and what that means for whoever asks the store. A
// store's opening reports one for all that it made good.
type Fault struct {
	File   string `json:"file"`             // in the store's directory, with slashes
	Offset int64  `json:"offset"`           // where it begins; 0 when the file as a whole is meant
	What   string `json:"what"`             // "the group's checksum is wrong"
	Means  string `json:"means"`            // "events 11 to 20 cannot be read"
	Mended bool   `json:"mended,omitempty"` // it was made good when it was found
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s at %s offset %d: %s", f.What, f.File, f.Offset, f.Means)
}
