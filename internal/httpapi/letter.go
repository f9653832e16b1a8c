package httpapi

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
	"lethe/domain/subject"
	"lethe/internal/auth"
	"lethe/internal/certificate"
)

func (s *API) letter(ctx context.Context, c *call, in *struct {
	ErasurePath
	Language string `query:"language" enum:"en,de" default:"en" doc:"That the letter is written in"`
	Format   string `query:"format" enum:"text,html" doc:"By Accept when left out, else text"`
},
) (*document, error) {
	e, err := s.erasing(ctx, &in.ErasurePath)
	if err != nil {
		return nil, err
	}
	told, err := e.told(ctx, in.Language)
	if err != nil {
		return nil, err
	}
	letter := certificate.Compose(*told)
	answer := asDocument(mediaText, "letter.txt", letter.Text())
	if c.asPage(in.Format) {
		page, err := letter.HTML()
		if err != nil {
			return nil, domain.Internal("writing a letter", err)
		}
		answer = asDocument(mediaHTML, "letter.html", page)
	}
	return answer, e.read(ctx, c, auth.WriteLetter, answer)
}

// told gathers what the letter says, over all records.
func (e *erasing) told(ctx context.Context, language string) (*certificate.Told, error) {
	cat, err := e.Ledger.Catalogue(ctx)
	if err != nil {
		return nil, err
	}
	first := &e.records[0]
	t := &certificate.Told{
		Language: language, GDPR: e.underGDPR(), Cause: string(first.Ordered.Cause), BySubject: first.Ordered.By == subject.Self,
		Everything: first.Ordered.Everything, Ordered: first.OrderedAt.Recorded, Guarantee: string(subject.Destroyed),
	}
	dead := true
	given := map[string]*certificate.ToldRecipient{}
	for i := range e.records {
		r := &e.records[i]
		if err := e.addRecord(ctx, t, r, given); err != nil {
			return nil, err
		}
		if r.Completed != nil {
			at := e.deadFrom(r.token, r.Completed)
			dead = dead && !at.IsZero()
			t.DeadFrom = later(t.DeadFrom, at)
		}
	}
	if !dead {
		t.DeadFrom = time.Time{}
	}
	if err := e.addRecipients(ctx, cat, t, given); err != nil {
		return nil, err
	}
	return t, e.addControllers(ctx, cat, t)
}

// addRecord tells of one record what a letter about all of them says once.
func (e *erasing) addRecord(ctx context.Context, t *certificate.Told, r *erasedRecord, given map[string]*certificate.ToldRecipient) error {
	if r.Completed != nil {
		t.Completed = later(t.Completed, r.CompletedAt.Recorded)
		t.Marks = t.Marks || r.Completed.Marks > 0
		for _, s := range r.Completed.Sinks {
			t.Guarantee = certificate.Weaker(t.Guarantee, string(s.Guarantee))
		}
	}
	fields, left := fieldsOf(r.state), leftOf(r.state, r.ID)
	for _, g := range r.Groups() {
		if g.Goes() {
			addGroup(t, &g, fields[g.Group], left[g.Group])
		}
		if g.Rule != "" {
			addKept(t, &g)
		}
	}
	if !r.Ordered.Follows.IsZero() { // of what the person asked for, other groups may wait still
		for _, w := range r.state.Waiting() {
			if !slices.ContainsFunc(r.Groups(), func(g subject.Weighed) bool { return g.Group == w.Group }) {
				addKept(t, &w.Weighed)
			}
		}
	}
	source, err := e.given(ctx, r)
	if err != nil {
		return err
	}
	for i := range source.Disclosures {
		d := &source.Disclosures[i]
		to := given[d.Recipient]
		if to == nil {
			to = &certificate.ToldRecipient{}
			given[d.Recipient] = to
		}
		if at, err := time.Parse(time.RFC3339, d.At); err == nil {
			to.Last = later(to.Last, at)
		}
		to.Fields = union(to.Fields, d.Fields)
	}
	return nil
}

// fieldsOf lists the fields of the catalogue that each group of a record held.
func fieldsOf(s *subject.State) map[domain.Name][]string {
	of := map[domain.Name][]string{}
	entries := s.Entries()
	for i := range entries {
		var items []subject.Item
		switch e := entries[i].Event.(type) {
		case *subject.FieldsRecorded:
			items = e.Items
		case *subject.FieldsRectified:
			items = e.Items
		default:
		}
		for _, item := range items {
			of[item.Group] = union(of[item.Group], []string{string(item.Field)})
		}
	}
	return of
}

// leftOf lists the fields of which values of a group stayed when an erasure took
// others: they were sealed again.
func leftOf(s *subject.State, erasure domain.ID) map[domain.Name][]string {
	of := map[domain.Name][]string{}
	entries := s.Entries()
	for i := range entries {
		e, ok := entries[i].Event.(*subject.ValuesResealed)
		if !ok || e.Erasure != erasure || e.Group == domain.EvidenceGroup {
			continue
		}
		for _, it := range e.Items {
			of[e.Group] = union(of[e.Group], []string{string(it.Field)})
		}
	}
	return of
}

func addGroup(t *certificate.Told, g *subject.Weighed, held, left []string) {
	told := certificate.ToldGroup{Group: string(g.Group), Extent: certificate.Whole, Fields: held, Left: left, Ground: string(g.Ground)}
	if g.Outcome == subject.Trim {
		told.Extent, told.Fields = certificate.Superseded, nil
	}
	if g.Group == domain.EvidenceGroup {
		told.Extent, told.Fields = certificate.SoFar, nil
	}
	for _, v := range g.Values {
		told.Extent, told.Fields = certificate.Values, union(told.Fields, []string{string(v.Field)})
	}
	for i := range t.Erased {
		if was := &t.Erased[i]; was.Group == told.Group && was.Extent == told.Extent && was.Ground == told.Ground {
			was.Fields, was.Left = union(was.Fields, told.Fields), union(was.Left, told.Left)
			return
		}
	}
	t.Erased = append(t.Erased, told)
}

func addKept(t *certificate.Told, g *subject.Weighed) {
	told := certificate.ToldKept{Group: string(g.Group), Rule: string(g.Rule), Purpose: string(g.Purpose), Until: g.Until, Rest: g.Outcome == subject.Trim}
	for i := range t.Kept {
		if was := &t.Kept[i]; was.Group == told.Group && was.Rule == told.Rule && was.Purpose == told.Purpose && was.Rest == told.Rest {
			if was.Until.IsZero() || told.Until.IsZero() {
				was.Until = time.Time{}
			} else {
				was.Until = later(was.Until, told.Until)
			}
			return
		}
	}
	t.Kept = append(t.Kept, told)
}

// addRecipients names who had received data.
func (e *erasing) addRecipients(ctx context.Context, cat *catalogue.State, t *certificate.Told, given map[string]*certificate.ToldRecipient) error {
	for id, to := range given {
		if id != "" {
			to.Name = id
		}
		if declared, ok := cat.Recipient(domain.Name(id)); ok {
			texts, err := e.Door.Texts(ctx, declared)
			if err != nil {
				return err
			}
			to.Name = cmp.Or(text(texts, "recipient.name"), id)
		}
		t.Recipients = append(t.Recipients, *to)
	}
	slices.SortFunc(t.Recipients, func(a, b certificate.ToldRecipient) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// addControllers names the controllers of the purposes that the person's data
// was held for, in the catalogue's order; when that names none, all of them.
func (e *erasing) addControllers(ctx context.Context, cat *catalogue.State, t *certificate.Told) error {
	names := newNaming()
	for i := range e.records {
		entries := e.records[i].state.Entries()
		for j := range entries {
			names.byPerson(&entries[j])
		}
	}
	var own, all []*catalogue.ControllerDeclared
	for _, declared := range cat.Controllers() {
		all = append(all, declared)
		for purpose := range names.purposes {
			if p, ok := cat.Purpose(purpose, 0); ok && slices.Contains(p.Controllers, declared.ID) {
				own = append(own, declared)
				break
			}
		}
	}
	if len(own) == 0 {
		own = all
	}
	for _, declared := range own {
		x, err := e.Door.Texts(ctx, declared)
		if err != nil {
			return err
		}
		t.Controllers = append(t.Controllers, certificate.Contact{
			Name: cmp.Or(text(x, "controller.name"), string(declared.ID)), Address: text(x, "controller.address"), Contact: text(x, "controller.contact"),
			Email: text(x, "controller.email"), Phone: text(x, "controller.phone"), Officer: text(x, "controller.officer"), PolicyURL: text(x, "controller.policy_url"),
		})
	}
	return nil
}

// underGDPR reports whether the GDPR or its UK form applies to a person. Of
// one whose place is not recorded it is taken to.
func (e *erasing) underGDPR() bool {
	now := e.Ledger.Now()
	registered := e.records[0].state.At(now, now).Registration
	return registered == nil || registered.Jurisdiction == "" || registered.Jurisdiction.UnderGDPR()
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// union is sorted and has each name once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
