package operations

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"lethe/domain"
	"lethe/domain/principal"
)

// State is the tokens and the holds for groups of people that there are. It is
// immutable, nil is the empty state, and every method works on it. They are few
// and change rarely, so Evolve copies and looking up is one map access.
type State struct {
	tokens map[domain.ID]Token
	hashes map[domain.Digest]domain.ID
	holds  []GroupHold

	restarts []Restart // of the log
	epochs   []EpochRetired
	journals []domain.ID // declarations that an erasure journal was lost
}

// Token is an access token and what became of it.
type Token struct {
	*TokenCreated
	Created time.Time
	Revoked bool
	Noted   bool // its expiry was noted
}

// Valid reports whether the token counts at a time; its end is half-open.
func (t Token) Valid(at time.Time) bool {
	return t.TokenCreated != nil && !t.Revoked && at.Before(t.Expires)
}

// Evolve is total: it takes any history.
func Evolve(s *State, r domain.Recorded) *State {
	e, ok := r.Event.(Event)
	if !ok {
		return s
	}
	if s == nil {
		s = &State{}
	}
	switch e := e.(type) {
	case *TokenCreated:
		next := s.with(e.Token, Token{TokenCreated: e, Created: r.Recorded})
		next.hashes = maps.Clone(s.hashes)
		if next.hashes == nil {
			next.hashes = map[domain.Digest]domain.ID{}
		}
		next.hashes[e.Hash] = e.Token
		return next
	case *TokenRevoked:
		return s.changed(e.Token, func(t *Token) { t.Revoked = true })
	case *TokenExpired:
		return s.changed(e.Token, func(t *Token) { t.Noted = true })
	case *LogRestarted:
		next := *s
		next.restarts = append(slices.Clone(s.restarts), Restart{LogRestarted: e, Recorded: r.Recorded})
		return &next
	case *LostRangeAccepted:
		next := *s
		next.restarts = accept(s.restarts, e.Number, r.Recorded)
		return &next
	case *GroupHoldPlaced:
		return s.withHold(GroupHold{GroupHoldPlaced: e, Event: r.ID, Position: r.Position, Placed: r.Recorded})
	case *GroupHoldReleased:
		return s.released(e.Hold, r.Recorded)
	case *EpochRetired:
		return s.retired(e)
	case *ErasureJournalLost:
		next := *s
		next.journals = append(slices.Clone(s.journals), e.Declaration)
		return &next
	case *LogKeyChanged, *BackupMade, *EpochPlaceForgotten, *PayloadsDropped, *RootKeyChanged, *MarkLifted:
	}
	return s
}

func (s *State) changed(id domain.ID, change func(*Token)) *State {
	t, ok := s.tokens[id]
	if !ok {
		return s
	}
	change(&t)
	return s.with(id, t)
}

func (s *State) with(id domain.ID, t Token) *State {
	next := *s
	if next.tokens = maps.Clone(s.tokens); next.tokens == nil {
		next.tokens = map[domain.ID]Token{}
	}
	next.tokens[id] = t
	return &next
}

// Token finds a token by its ID.
func (s *State) Token(id domain.ID) (Token, bool) {
	if s == nil {
		return Token{}, false
	}
	t, ok := s.tokens[id]
	return t, ok
}

// ByHash finds a token by the SHA-256 of its bytes, valid or not. The hash is
// of 32 random bytes, so how long looking it up takes tells nothing of use.
func (s *State) ByHash(hash domain.Digest) (Token, bool) {
	if s == nil {
		return Token{}, false
	}
	id, ok := s.hashes[hash]
	if !ok {
		return Token{}, false
	}
	return s.Token(id)
}

// Tokens lists all by when they were created.
func (s *State) Tokens() []Token {
	if s == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(s.tokens), func(a, b Token) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.TokenCreated.Token.String(), b.TokenCreated.Token.String()))
	})
}

// Command is the sealed sum of operations that can be asked for.
//
//sumtype:decl
type Command interface {
	EffectiveAt() time.Time
	isOperationsCommand()
}

// CreateToken creates an access token; only its hash comes here.
type CreateToken struct {
	Token     domain.ID
	Principal domain.ID
	Hash      domain.Digest
	Roles     []principal.Role
	Purposes  []domain.Name
	Expires   time.Time
}

// RevokeToken ends one now.
type RevokeToken struct{ Token domain.ID }

// ExpireToken notes that one's end has passed.
type ExpireToken struct{ Token domain.ID }

// EffectiveAt is now.
func (CreateToken) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (RevokeToken) EffectiveAt() time.Time { return time.Time{} }

// EffectiveAt is now.
func (ExpireToken) EffectiveAt() time.Time { return time.Time{} }

func (CreateToken) isOperationsCommand() {}
func (RevokeToken) isOperationsCommand() {}
func (ExpireToken) isOperationsCommand() {}

const (
	maxPurposes = 200
	maxLife     = 5 * 366 * 24 * time.Hour // a token without an end is nobody's any more
)

// Decide answers with the events that c makes, or a *domain.Error.
func Decide(s *State, now time.Time, c Command) ([]domain.Event, error) {
	switch c := c.(type) {
	case CreateToken:
		return create(s, now, c)
	case RevokeToken:
		t, ok := s.Token(c.Token)
		switch {
		case !ok:
			return nil, unknown()
		case t.Revoked:
			return nil, nil
		}
		return []domain.Event{&TokenRevoked{Token: c.Token}}, nil
	case ExpireToken:
		t, ok := s.Token(c.Token)
		switch {
		case !ok:
			return nil, unknown()
		case t.Noted:
			return nil, nil
		case now.Before(t.Expires):
			return nil, domain.Conflict("token.not_expired", "token", "this token has not expired: revoke it to end it now")
		}
		return []domain.Event{&TokenExpired{Token: c.Token}}, nil
	case ChangeLogKey:
		return changeLogKey(c)
	case RestartLog:
		return restartLog(s, c)
	case AcceptLostRange:
		return acceptLostRange(s, c)
	case DropPayloads:
		return dropPayloads(c)
	case PlaceGroupHold:
		return placeGroupHold(s, now, c)
	case ReleaseGroupHold:
		return releaseGroupHold(s, c)
	case LiftMark:
		return liftMark(c)
	case NoteBackup:
		return noteBackup(c)
	case RetireEpochs:
		return retireEpochs(s, c)
	case ForgetEpochPlace:
		return forgetEpochPlace(c)
	case ChangeRootKey:
		return changeRootKey(c)
	case LoseErasureJournal:
		return loseErasureJournal(s, c)
	}
	return nil, domain.Internal("deciding on operations without a command of this package", nil)
}

func unknown() error {
	return domain.NotFound("token.unknown", "token", "there is no such token: list them to find its ID")
}

func create(s *State, now time.Time, c CreateToken) ([]domain.Event, error) {
	if _, taken := s.Token(c.Token); taken {
		return nil, domain.Conflict("token.exists", "token", "a token with this ID exists already")
	}
	if _, taken := s.ByHash(c.Hash); taken || c.Hash.IsZero() || c.Token.IsZero() || c.Principal.IsZero() {
		return nil, domain.Invalid("token.malformed", "token", "a token has an ID, a principal and a hash of its own")
	}
	roles, purposes := slices.Clone(c.Roles), slices.Clone(c.Purposes)
	slices.Sort(roles)
	slices.Sort(purposes)
	roles, purposes = slices.Compact(roles), slices.Compact(purposes)
	switch {
	case len(roles) == 0 || slices.ContainsFunc(roles, func(r principal.Role) bool { return !r.Valid() }):
		return nil, domain.Invalid("token.roles", "roles", "name at least one role: admin, officer, operator, auditor, service")
	case len(purposes) > maxPurposes || slices.ContainsFunc(purposes, func(p domain.Name) bool { return !p.Valid() }):
		return nil, domain.Invalid("token.purposes", "purposes", "purposes are catalogue names, at most %d", maxPurposes)
	case !c.Expires.After(now) || c.Expires.After(now.Add(maxLife)):
		return nil, domain.Invalid("token.expires", "expires", "a token expires in the future, within five years")
	}
	return []domain.Event{&TokenCreated{
		Token: c.Token, Principal: c.Principal, Hash: c.Hash, Roles: roles, Purposes: purposes, Expires: c.Expires,
	}}, nil
}
