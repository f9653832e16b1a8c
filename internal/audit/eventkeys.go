package audit

import (
	"fmt"

	"lethe/eventstore"
	"lethe/internal/keyring"
	"lethe/internal/part"
)

const (
	keyBatchSize = 4096    // keys that are asked for at once
	keyCacheSize = 1 << 15 // keys whose state is remembered
	maxMissed    = 1 << 16 // keys that are reported by name
)

// keyBatch collects the keys that parts name and asks for many at a time. One
// goroutine uses it.
type keyBatch struct {
	e      *eventsStep
	file   string
	states map[part.KeyID]keyring.KeyState
	asked  map[part.KeyID]*askedKey
	infos  []keyring.KeyInfo
}

// askedKey is a key whose state is not known yet.
type askedKey struct {
	parts   uint64
	first   string // the event that needs it
	at      uint64
	lacks   string // the first event that lacks a part of it
	lacksAt uint64
}

func (b *keyBatch) init(e *eventsStep) {
	b.e, b.states, b.asked = e, map[part.KeyID]keyring.KeyState{}, map[part.KeyID]*askedKey{}
}

// add notes the key of one part.
func (b *keyBatch) add(h *part.Header, rec *eventstore.Recorded, dropped bool) error {
	if state, known := b.states[h.KeyID]; known {
		b.e.parts[state].Add(1)
		if dropped {
			b.dropped(keyring.KeyOf(h), state, nameOf(rec.ID, rec.Stream, rec.Revision), uint64(rec.Position))
		}
		return nil
	}
	a := b.asked[h.KeyID]
	if a == nil {
		a = &askedKey{first: nameOf(rec.ID, rec.Stream, rec.Revision), at: uint64(rec.Position)}
		b.asked[h.KeyID] = a
		b.infos = append(b.infos, keyring.KeyOf(h))
	}
	a.parts++
	if dropped && a.lacks == "" {
		a.lacks, a.lacksAt = nameOf(rec.ID, rec.Stream, rec.Revision), uint64(rec.Position)
	}
	if len(b.infos) == keyBatchSize {
		return b.flush()
	}
	return nil
}

// flush asks.
func (b *keyBatch) flush() error {
	if len(b.infos) == 0 {
		return nil
	}
	states, err := b.e.Keys.KeyStates(b.e.ctx, b.infos)
	if err != nil {
		return err
	}
	if len(b.states) > keyCacheSize {
		clear(b.states)
	}
	for i, info := range b.infos {
		a := b.asked[info.ID]
		b.e.parts[states[i]].Add(a.parts)
		b.states[info.ID] = states[i]
		if states[i] == keyring.KeyLost || states[i] == keyring.KeyDamaged {
			b.missing(info, states[i], a)
		}
		if a.lacks != "" {
			b.dropped(info, states[i], a.lacks, a.lacksAt)
		}
	}
	clear(b.asked)
	b.infos = b.infos[:0]
	return nil
}

const (
	meansMissing = "what it sealed cannot be opened, and it was not erased: the key store lost rows, or is an older copy than the log. " +
		"Restore the newest backup of the key store, and apply the erasures since then again"
	meansDamagedKey = "what it sealed cannot be opened, and it was not erased: the row was changed. " +
		"Restore the newest backup of the key store, and apply the erasures since then again"
)

const meansDroppedLive = "its key is there and nothing erased it, and it cannot be opened any more: this program drops only what was " +
	"erased. Put the segment back from a backup, and find out who changed it"

// dropped reports a part that is gone although its key is not.
func (b *keyBatch) dropped(info keyring.KeyInfo, state keyring.KeyState, event string, at uint64) {
	if state != keyring.KeyLive {
		return // fenced, or reported as missing
	}
	b.e.mu.Lock()
	told := b.e.missed[info.ID] || len(b.e.missed) >= maxMissed
	b.e.missed[info.ID] = true
	b.e.mu.Unlock()
	if told {
		return
	}
	b.e.report(Finding{
		Where: b.file, at: at, Means: meansDroppedLive,
		What: fmt.Sprintf("a value of %s was taken away, and its key %s of %s, %s, generation %d is live",
			event, info.ID, info.Compartment.Owner, info.Compartment.Group, info.Generation),
	})
}

func (b *keyBatch) missing(info keyring.KeyInfo, state keyring.KeyState, a *askedKey) {
	b.e.mu.Lock()
	told := b.e.missed[info.ID] || len(b.e.missed) >= maxMissed
	b.e.missed[info.ID] = true
	b.e.mu.Unlock()
	if told {
		return
	}
	f := Finding{
		Where: b.file, at: a.at, Means: meansMissing,
		What: fmt.Sprintf("the key %s of %s, %s, generation %d is missing, and no fence says that it was destroyed; %s needs it",
			info.ID, info.Compartment.Owner, info.Compartment.Group, info.Generation, a.first),
	}
	if state == keyring.KeyDamaged {
		f.What = fmt.Sprintf("the key %s of %s, %s, generation %d is damaged; %s needs it",
			info.ID, info.Compartment.Owner, info.Compartment.Group, info.Generation, a.first)
		f.Means = meansDamagedKey
	}
	b.e.report(f)
}
