package etcd

import (
	"time"

	"go.uber.org/zap"
)

const (
	// tidyInterval is how often the size of the database is looked at.
	tidyInterval = 15 * time.Second
	// littleWaste is not worth rewriting the database for. A file that is new, or
	// was just rewritten, has 16 MB of it.
	littleWaste = 20 << 20
	// muchInUse is up to where rewriting is done: nothing can be written
	// meanwhile, which takes about a second for as much on a slow disk.
	muchInUse = 256 << 20
)

// wasteful reports whether the database should be rewritten: most of the file is
// pages that nothing is in any more, and what is left is quickly copied. The
// file, and what of it is mapped into memory, never shrinks by itself.
func wasteful(size, inUse int64) bool {
	waste := size - inUse
	return waste > littleWaste && waste > inUse && inUse <= muchInUse
}

// tidy rewrites the database after much of it was deleted, until the server ends.
func (s *Server) tidy() {
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.etcd.Server.StopNotify():
			return
		case <-ticker.C:
			s.rewriteIfWasteful()
		}
	}
}

// rewriteIfWasteful reports whether it rewrote the database.
func (s *Server) rewriteIfWasteful() bool {
	backend := s.etcd.Server.Backend()
	if !wasteful(backend.Size(), backend.SizeInUse()) {
		return false
	}
	if err := backend.Defrag(); err != nil {
		s.etcd.GetLogger().Warn("failed to rewrite the database without what was deleted", zap.Error(err))
		return false
	}
	return true
}
