package httpapi

import (
	"context"
	"time"

	"lethe/domain"
	"lethe/domain/catalogue"
)

// NoticeRef says which text was shown: a notice's ID, which together with a
// language means its newest version, or the text's SHA-256.
type NoticeRef string

// Valid reports whether it is either.
func (n NoticeRef) Valid() bool {
	_, ok := n.digest()
	return ok || domain.Name(n).Valid()
}

func (n NoticeRef) digest() (d domain.Digest, ok bool) {
	err := d.UnmarshalText([]byte(n))
	return d, err == nil
}

const whereNotices = "GET /v1/catalogue/notices lists them and GET /v1/catalogue/notices/{id} shows their texts"

func noNotice(why string) error {
	return domain.Invalid("consent.notice_unknown", "notice", "%s: %s", why, whereNotices).Citing("GDPR 7(1)")
}

// needed is how much an act on a consent depends on its notice.
type needed int

const (
	noticeNamed    needed = iota // if it is named by its ID there is one
	noticeRequired               // a digest is a published one, too
	noticeIgnored                // taking back is never refused: a wrong one is left out
)

func (b *SaidBody) base() *SaidBody { return b }

// resolve finds the text that the notice of a body means.
func (s *API) resolve(ctx context.Context, b *SaidBody, n needed) error {
	if b.Notice == "" {
		return nil
	}
	cat, err := s.Ledger.Catalogue(ctx)
	if err != nil {
		return err
	}
	if d, ok := b.Notice.digest(); ok {
		b.digest = d
		if n == noticeRequired && len(cat.Publications(d)) == 0 {
			return noNotice("no text with this SHA-256 was ever published")
		}
		return nil
	}
	at := b.Effective
	if at.IsZero() {
		at = s.Ledger.Now()
	}
	shown, err := newestNotice(cat, domain.Name(b.Notice), b.Language, at)
	if err != nil && n != noticeIgnored {
		return err
	}
	if err == nil {
		b.digest = shown.Digest
	}
	return nil
}

// newestNotice is a notice's newest version in a language that is in effect at
// a time, or its newest one at all, of which the rules then say what is wrong.
func newestNotice(cat *catalogue.State, id domain.Name, language domain.Language, at time.Time) (catalogue.Publication, error) {
	var newest catalogue.Publication
	known, several := false, false
	for _, p := range cat.Notices() { // by version, so that later ones are newer
		if p.ID != id {
			continue
		}
		known = true
		if language != "" && p.Language != language {
			continue
		}
		switch {
		case newest.NoticePublished == nil, p.Version > newest.Version && (!p.From.After(at) || newest.From.After(at)):
			newest, several = p, false
		case p.Version == newest.Version && p.Language != newest.Language:
			several = true
		}
	}
	switch {
	case !known:
		return newest, noNotice("no notice of this ID is published")
	case newest.NoticePublished == nil:
		return newest, noNotice("this notice is not published in this language")
	case several:
		return newest, domain.Invalid("consent.language", "language",
			"this notice is published in several languages: say which was shown; %s", whereNotices).Citing("GDPR 7(2)")
	}
	return newest, nil
}
