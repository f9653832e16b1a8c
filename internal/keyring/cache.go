package keyring

import (
	"container/list"
	"sync"
	"time"

	"lethe/domain"
)

// cache is a bounded, short-lived set of opened keys, and of who was erased.
// Version counts the destructions that this process knows of: what was read
// from the store before one is not put in after it.
type cache struct {
	mu      sync.Mutex
	size    int
	ttl     time.Duration
	version uint64
	order   *list.List // of *cached, least recently used last
	byID    map[KeyID]*list.Element
	live    map[Compartment]*list.Element // the newest generation
	fenced  map[string]fencedGroups       // by owner
}

// fencedGroups are an owner's groups, true for those that were erased.
type fencedGroups struct {
	groups map[domain.Name]bool
	read   time.Time
}

type cached struct {
	key    *Key
	loaded time.Time
}

func newCache(size int, ttl time.Duration) *cache {
	return &cache{
		size: size, ttl: ttl, order: list.New(),
		byID: map[KeyID]*list.Element{}, live: map[Compartment]*list.Element{}, fenced: map[string]fencedGroups{},
	}
}

func (c *cache) liveKey(of Compartment, now time.Time) *Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.use(c.live[of], now)
}

func (c *cache) key(id KeyID, now time.Time) *Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.use(c.byID[id], now)
}

func (c *cache) use(e *list.Element, now time.Time) *Key {
	if e == nil {
		return nil
	}
	entry := e.Value.(*cached) //nolint:forcetypeassert // all are
	if now.Sub(entry.loaded) > c.ttl {
		c.remove(e)
		return nil
	}
	c.order.MoveToFront(e)
	return entry.key
}

// at is the version to give to put.
func (c *cache) at() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

// put adds a key that was read when the cache had the version, unless one was
// destroyed since, and returns the instance to use.
func (c *cache) put(key *Key, newest bool, version uint64, now time.Time) *Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version != c.version {
		return key
	}
	if e, ok := c.byID[key.id]; ok {
		old := e.Value.(*cached) //nolint:forcetypeassert // all are
		old.loaded = now
		key = old.key
		if newest {
			c.live[key.compartment] = e
		}
		return key
	}
	e := c.order.PushFront(&cached{key: key, loaded: now})
	c.byID[key.id] = e
	if newest {
		c.live[key.compartment] = e
	}
	for c.order.Len() > c.size {
		c.remove(c.order.Back())
	}
	return key
}

func (c *cache) remove(e *list.Element) {
	key := e.Value.(*cached).key //nolint:forcetypeassert // all are
	c.order.Remove(e)
	delete(c.byID, key.id)
	if c.live[key.compartment] == e {
		delete(c.live, key.compartment)
	}
}

// fencedOf returns what putFenced put, ok false when it is not here.
func (c *cache) fencedOf(owner string, now time.Time) (groups map[domain.Name]bool, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.fenced[owner]
	if !ok || now.Sub(e.read) > c.ttl {
		return nil, false
	}
	return e.groups, true
}

// putFenced adds what was read when the cache had the version, unless
// something was destroyed since. When full, any other owner makes room.
func (c *cache) putFenced(owner string, groups map[domain.Name]bool, version uint64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version != c.version {
		return
	}
	for other := range c.fenced {
		if len(c.fenced) < c.size {
			break
		}
		delete(c.fenced, other)
	}
	c.fenced[owner] = fencedGroups{groups: groups, read: now}
}

// change wipes the keys that are here and were destroyed, forgets which key of
// a renewed compartment is live, and starts a new version.
func (c *cache) change(gone []KeyID, renewed []Compartment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	clear(c.fenced)
	for _, id := range gone {
		if e, ok := c.byID[id]; ok {
			e.Value.(*cached).key.wipe() //nolint:forcetypeassert // all are
			c.remove(e)
		}
	}
	for _, of := range renewed {
		delete(c.live, of)
	}
}

// flush empties the cache: another process destroyed something. The keys are
// not wiped, since most are still good and somebody may be sealing with one.
func (c *cache) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	c.order.Init()
	clear(c.byID)
	clear(c.live)
	clear(c.fenced)
}

func (c *cache) wipe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	for e := c.order.Front(); e != nil; e = e.Next() {
		e.Value.(*cached).key.wipe() //nolint:forcetypeassert // all are
	}
	c.order.Init()
	clear(c.byID)
	clear(c.live)
	clear(c.fenced)
}
