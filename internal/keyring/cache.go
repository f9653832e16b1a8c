package keyring

import (
	"container/list"
	"sync"
	"time"
)

// cache is a bounded, short-lived set of opened keys. Version counts the
// destructions that this process knows of: a key that was read from the store
// before one is not put in after it.
type cache struct {
	mu      sync.Mutex
	size    int
	ttl     time.Duration
	version uint64
	order   *list.List // of *cached, least recently used last
	byID    map[KeyID]*list.Element
	live    map[Compartment]*list.Element // the newest generation
}

type cached struct {
	key    *Key
	loaded time.Time
}

func newCache(size int, ttl time.Duration) *cache {
	return &cache{
		size: size, ttl: ttl, order: list.New(),
		byID: map[KeyID]*list.Element{}, live: map[Compartment]*list.Element{},
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

// destroy wipes the keys that are here and starts a new version.
func (c *cache) destroy(ids []KeyID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	for _, id := range ids {
		if e, ok := c.byID[id]; ok {
			e.Value.(*cached).key.wipe() //nolint:forcetypeassert // all are
			c.remove(e)
		}
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
}
