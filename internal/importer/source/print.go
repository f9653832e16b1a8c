package source

import (
	"fmt"
	"log/slog"
)

const redacted = "[personal]"

// The printed forms keep a careless log line from giving anybody away: a row
// shows where it stands in its file, the rest shows nothing.

func (r Row) String() string {
	return fmt.Sprintf("row %d of %s %s", r.Number, r.Table, redacted)
}

func (r Row) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(r.String())) }
func (r Row) LogValue() slog.Value         { return slog.StringValue(r.String()) }
func (r Row) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

func (Key) Format(f fmt.State, _ rune)     { _, _ = f.Write([]byte(redacted)) }
func (Field) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (Denial) Format(f fmt.State, _ rune)  { _, _ = f.Write([]byte(redacted)) }
func (Consent) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

func (Key) LogValue() slog.Value     { return slog.StringValue(redacted) }
func (Field) LogValue() slog.Value   { return slog.StringValue(redacted) }
func (Denial) LogValue() slog.Value  { return slog.StringValue(redacted) }
func (Consent) LogValue() slog.Value { return slog.StringValue(redacted) }

func (Key) MarshalJSON() ([]byte, error)     { return []byte(`"` + redacted + `"`), nil }
func (Field) MarshalJSON() ([]byte, error)   { return []byte(`"` + redacted + `"`), nil }
func (Denial) MarshalJSON() ([]byte, error)  { return []byte(`"` + redacted + `"`), nil }
func (Consent) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
