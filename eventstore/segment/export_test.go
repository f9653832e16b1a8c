package segment

// Kill stops the store as a killed process would: nothing more is written, no
// mark is made. What the operating system holds in memory stays there.
func (s *Store) Kill() {
	s.fail(errKilled)
	s.queue.close()
	<-s.committerDone
	close(s.closed)
	s.indexer.kill()
	close(s.indexer.stop)
	<-s.indexer.done
	_ = s.index.close()
	_ = s.comm.w.file.Close()
	if s.comm.prep.pending != nil {
		if got := s.comm.prep.await(); got.err == nil {
			_ = got.w.file.Close()
		}
	}
	s.closeFiles()
	_ = s.lock.Close()
}

// AwaitErased waits for the files that nobody reads any more to be gone.
func (s *Store) AwaitErased() { s.erasing.wg.Wait() }

var errKilled = errorString("killed by the test")

type errorString string

func (e errorString) Error() string { return string(e) }

// Reseal gives a group that a test changed the checksum of its new bytes.
func Reseal(group []byte) {
	h := readGroupHeader(group)
	h.seal(group)
}
