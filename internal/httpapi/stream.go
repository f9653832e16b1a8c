package httpapi

import (
	"bytes"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

// patience is how long a reader of a stream may take for one write.
const patience = 30 * time.Second

// stream writes JSON values as server-sent events or as lines.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
	sse     bool
	buf     bytes.Buffer
}

func (s *API) startStream(w http.ResponseWriter, sse bool) *stream {
	contentType := "application/x-ndjson"
	if sse {
		contentType = "text/event-stream"
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	out := &stream{w: w, control: http.NewResponseController(w), now: s.Now, sse: sse}
	out.flush()
	return out
}

// event writes one event of the feed. It may stay in a buffer until flush.
func (o *stream) event(e *Event) error {
	if o.sse {
		o.buf.WriteString("id: " + e.Position.String() + "\ndata: ")
	}
	return o.value(e)
}

// line writes one value of another stream and sends it.
func (o *stream) line(v any) error {
	if o.sse {
		o.buf.WriteString("data: ")
	}
	if err := o.value(v); err != nil {
		return err
	}
	o.flush()
	return nil
}

func (o *stream) value(v any) error {
	if err := json.MarshalWrite(&o.buf, v); err != nil {
		return err
	}
	o.buf.WriteByte('\n')
	if o.sse {
		o.buf.WriteByte('\n')
	}
	return o.send()
}

// problem writes a failure as the last value.
func (o *stream) problem(p *Problem) {
	if o.sse {
		o.buf.WriteString("event: problem\n")
	}
	if o.line(p) == nil {
		o.flush()
	}
}

// alive writes a sign of life that readers skip.
func (o *stream) alive() error {
	if o.sse {
		o.buf.WriteString(": alive\n\n")
	} else {
		o.buf.WriteByte('\n')
	}
	if err := o.send(); err != nil {
		return err
	}
	o.flush()
	return nil
}

func (o *stream) send() error {
	o.extend()
	_, err := o.w.Write(o.buf.Bytes())
	o.buf.Reset()
	return err
}

func (o *stream) flush() {
	o.extend()
	_ = o.control.Flush() // a writer that cannot flush sends at the end
}

// extend lets a long answer outlive the server's limit for short ones.
func (o *stream) extend() {
	_ = o.control.SetWriteDeadline(o.now().Add(patience)) // not every writer has one
}
