package certificate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lethe/internal/leaf"
	"lethe/internal/tlog"
)

// Input is what a certificate is made of.
type Input struct {
	Checkpoint []byte // signed note of the tree
	LogKeys    []byte // signed note: the log's statement about its keys
	Records    []Source
}

// Source is one record: the first that was asked for, then those that went
// along with it.
type Source struct {
	Events      []Proven // of this erasure, in their order
	DeadFrom    string   // a Stamp; "": not known, or nothing went
	Disclosures []Disclosure
	Openings    []Opening
}

// Proven is an event with what shows that it is in the tree.
type Proven struct {
	Facts []byte
	Proof []byte // C2SP tlog-proof; its extra data is the leaf
}

// Make writes everything but the signature. It refuses events that are not
// those of one erasure that has ended.
func Make(in Input) (*Certificate, error) {
	cp, err := tlog.CheckpointOf(in.Checkpoint)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	c := &Certificate{
		Format: Format, Origin: cp.Origin, Size: cp.Size, Root: cp.Root.String(),
		Checkpoint: string(in.Checkpoint), LogKeys: string(in.LogKeys),
	}
	for i := range in.Records {
		if err := c.add(&in.Records[i]); err != nil {
			return nil, fmt.Errorf("making a certificate: record %d: %w", i, err)
		}
	}
	if err := c.together(); err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return c, nil
}

// Input is what the certificate says that it was made of.
func (c *Certificate) Input() Input {
	in := Input{Checkpoint: []byte(c.Checkpoint), LogKeys: []byte(c.LogKeys)}
	for i := range c.Records {
		r := &c.Records[i]
		s := Source{DeadFrom: r.DeadFrom, Disclosures: r.Disclosures, Openings: r.Openings}
		for _, e := range r.Events {
			s.Events = append(s.Events, Proven{Facts: []byte(e.Facts), Proof: []byte(e.Proof)})
		}
		in.Records = append(in.Records, s)
	}
	return in
}

// together checks that the records are of one erasure.
func (c *Certificate) together() error {
	if len(c.Records) == 0 {
		return errors.New("there is no record")
	}
	main := &c.Records[0]
	covered := []string{main.Token}
	for i := range c.Records[1:] {
		r := &c.Records[i+1]
		switch {
		case r.Of != main.Token || !slices.Contains(main.Linked, r.Token):
			return fmt.Errorf("the record %s did not go along with %s", r.Token, main.Token)
		case slices.Contains(covered, r.Token):
			return fmt.Errorf("the record %s stands twice", r.Token)
		}
		covered = append(covered, r.Token)
	}
	if main.Of != "" {
		return fmt.Errorf("the record %s went along with %s, whose certificate has it", main.Token, main.Of)
	}
	if !slices.ContainsFunc(c.Records, Record.Gone) {
		return errors.New("nothing was erased")
	}
	c.Statement = stated(c.Guarantee)
	for _, token := range main.Linked {
		if !slices.Contains(covered, token) {
			c.NotCovered = append(c.NotCovered, token)
		}
	}
	return nil
}

// add derives a record from its events.
func (c *Certificate) add(s *Source) error {
	r := Record{
		Erased: []ErasedGroup{}, Keys: []Key{}, Kept: []Kept{}, Sinks: []Sink{},
		DeadFrom: s.DeadFrom, Disclosures: s.Disclosures, Openings: s.Openings, Events: []Event{},
	}
	if r.Disclosures == nil {
		r.Disclosures = []Disclosure{}
	}
	if r.Openings == nil {
		r.Openings = []Opening{}
	}
	for i := range s.Events {
		e, l, err := s.Events[i].open()
		if err != nil {
			return err
		}
		token, ok := strings.CutPrefix(l.Stream, "subject-")
		switch {
		case !ok || r.Token != "" && token != r.Token:
			return fmt.Errorf("event %s is not of the person's stream", e.ID)
		case i > 0 && e.Index <= r.Events[i-1].Index:
			return fmt.Errorf("event %s stands behind a later one", e.ID)
		}
		r.Token = token
		r.Events = append(r.Events, e)
		if err := c.tell(&r, &e); err != nil {
			return err
		}
	}
	if r.Completed == "" && r.Stopped == "" {
		return errors.New("its erasure has not ended")
	}
	if slices.ContainsFunc(r.Before, func(b Before) bool { return b.Erasure == c.Erasure }) {
		return errOrder
	}
	if at, err := time.Parse(stampLayout, r.DeadFrom); r.DeadFrom != "" && (r.Completed == "" || err != nil || Stamp(at) != r.DeadFrom) {
		return errors.New("the time from which no backup can revive it is none")
	}
	for _, sink := range r.Sinks {
		c.Guarantee = Weaker(c.Guarantee, sink.Guarantee)
	}
	c.Records = append(c.Records, r)
	return nil
}

func (p *Proven) open() (Event, leaf.Leaf, error) {
	proof, err := tlog.ParseProof(p.Proof)
	if err != nil {
		return Event{}, leaf.Leaf{}, err
	}
	l, err := leaf.Parse(proof.Extra)
	if err != nil {
		return Event{}, leaf.Leaf{}, err
	}
	return Event{
		ID: l.EventID.String(), Type: l.Type, Index: proof.Index, Revision: l.Revision, Recorded: Stamp(l.Recorded),
		Facts: string(p.Facts), Proof: string(p.Proof),
	}, l, nil
}

var errOrder = errors.New("its events are not ordered, then started, then completed, or ordered, then stopped")

// tell takes one event's facts into the record. Events come in their order.
func (c *Certificate) tell(r *Record, e *Event) error {
	switch e.Type {
	case typeOrdered:
		return c.ordered(r, e)
	case typeStarted:
		return c.begun(r, e, &r.Started)
	case typeStopped:
		return c.begun(r, e, &r.Stopped)
	case typeCompleted:
		return c.completed(r, e)
	case typeReapplied:
		return c.reapplied(r, e)
	}
	return fmt.Errorf("event %s is none of an erasure", e.ID)
}

// same checks that an event is of the certificate's erasure.
func (c *Certificate) same(erasure string, e *Event) error {
	if erasure == "" || c.Erasure != "" && erasure != c.Erasure {
		return fmt.Errorf("event %s is of another erasure", e.ID)
	}
	c.Erasure = erasure
	return nil
}

func (c *Certificate) ordered(r *Record, e *Event) error {
	f, err := read[ordered](e)
	if err != nil {
		return err
	}
	if r.Ordered != "" {
		return errOrder
	}
	r.Ordered, r.Of, r.Cause, r.By, r.Everything = e.Recorded, f.Of, f.Cause, f.By, f.Everything
	r.Linked = f.Linked
	return c.same(f.Erasure, e)
}

func (c *Certificate) begun(r *Record, e *Event, at *string) error {
	f, err := read[begun](e)
	if err != nil {
		return err
	}
	if r.Ordered == "" || r.Started != "" || r.Stopped != "" {
		return errOrder
	}
	*at = e.Recorded
	r.Outcome = Erased
	if r.Stopped != "" {
		r.Outcome = NothingErased
	}
	for _, g := range f.Groups {
		if err := r.weighed(&g); err != nil {
			return fmt.Errorf("event %s: %w", e.ID, err)
		}
	}
	return c.same(f.Erasure, e)
}

// weighed notes what goes and what stays of a group.
func (r *Record) weighed(g *weighed) error {
	goes := g.Outcome == outcomeErase || g.Outcome == outcomeTrim
	switch {
	case goes && r.Stopped != "":
		return fmt.Errorf("the erasure stopped, and %s goes all the same", g.Group)
	case goes:
		ground := groundOf(g.Ground)
		d := ErasedGroup{Group: g.Group, Extent: Whole, Ground: g.Ground, Article: ground.article, DPV: ground.dpv}
		if g.Outcome == outcomeTrim {
			d.Extent = Superseded
		}
		if g.Outcome == outcomeTrim && g.Group == evidenceGroup {
			d.Extent = SoFar
		}
		for _, v := range g.Values {
			d.Extent, d.Values = Values, append(d.Values, v.String())
		}
		r.Erased = append(r.Erased, d)
	case g.Outcome != outcomeKeep && g.Outcome != outcomeRefuse:
		return fmt.Errorf("what became of %s cannot be told", g.Group)
	}
	if g.Rule != "" {
		rule := ruleOf(g.Rule)
		r.Kept = append(r.Kept, Kept{
			Group: g.Group, Rule: g.Rule, Article: rule.article, DPV: rule.dpv, Purpose: g.Purpose, Until: stampOrNone(g.Until), Hold: g.Hold,
		})
	}
	return nil
}

func (c *Certificate) completed(r *Record, e *Event) error {
	f, err := read[completed](e)
	if err != nil {
		return err
	}
	if r.Started == "" || r.Completed != "" {
		return errOrder
	}
	r.Completed, r.Marks = e.Recorded, f.Marks
	for _, k := range f.Keys {
		r.Keys = append(r.Keys, Key{
			Group: k.Group, Generation: k.Generation, Key: k.Key, Fingerprint: k.Fingerprint, At: Stamp(k.At),
		})
	}
	for _, s := range f.Sinks {
		r.Sinks = append(r.Sinks, Sink{Sink: s.Sink, Guarantee: s.Guarantee, Position: s.Position, At: Stamp(s.At)})
	}
	return c.same(f.Erasure, e)
}

func (c *Certificate) reapplied(r *Record, e *Event) error {
	f, err := read[reapplied](e)
	if err != nil {
		return err
	}
	if r.Started == "" && (r.Ordered == "" || f.Erasure != c.Erasure) {
		return r.before(f, e)
	}
	if r.Started == "" {
		return errOrder
	}
	if err := c.same(f.Erasure, e); err != nil {
		return err
	}
	again := Again{At: e.Recorded, Keys: []string{}}
	for _, k := range f.Keys {
		again.Keys = append(again.Keys, k.Key)
	}
	r.Again = append(r.Again, again)
	return nil
}

// before notes what another erasure had destroyed before this one began.
func (r *Record) before(f *reapplied, e *Event) error {
	if f.Erasure == "" {
		return fmt.Errorf("event %s is of no erasure", e.ID)
	}
	b := Before{Erasure: f.Erasure, At: e.Recorded, Keys: []KeyRef{}}
	for _, k := range f.Keys {
		b.Keys = append(b.Keys, KeyRef(k))
	}
	r.Before = append(r.Before, b)
	return nil
}

func stampOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Stamp(t)
}
