package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
)

// Config says where and how the server keeps its data.
type Config struct {
	// Dir is the data directory. It is made if missing, and closed to everyone
	// but its owner: it holds secrets and the socket that gives them out.
	Dir string
	// Name of the member; "atrium" when empty. It is stored in the data.
	Name string
	// LogFile receives warnings and errors; <Dir>/etcd.log when empty. It is
	// rotated at 10 MB, three old files are kept.
	LogFile string
	// ProgressInterval is how often a watch without events is told the current
	// revision, so that its reader can resume there; one minute when zero.
	ProgressInterval time.Duration
}

// Server is a running etcd member.
type Server struct {
	etcd   *embed.Etcd
	lock   *os.File
	socket socket
	once   sync.Once
	failed chan error
}

// Start brings up the member on cfg.Dir and returns once it serves, or when
// ctx ends. Its errors wrap ErrInUse, ErrNotWritable or ErrCorrupt when one of
// them is the cause.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolving %q: %w", cfg.Dir, err)
	}
	cfg.Dir = dir
	lock, err := claim(dir)
	if err != nil {
		return nil, err
	}
	if err := inspect(dir); err != nil {
		lock.Close()
		return nil, err
	}
	server, err := launch(ctx, cfg)
	if err != nil {
		lock.Close()
		return nil, err
	}
	server.lock = lock
	return server, nil
}

// launch starts etcd proper on a directory that is ours and looks sane.
func launch(ctx context.Context, cfg Config) (*Server, error) {
	socket, err := newSocket(cfg.Dir)
	if err != nil {
		return nil, err
	}
	logs := newLogger(cfg)
	running, err := startEtcd(embedConfig(cfg, socket, logs))
	if err != nil {
		socket.remove()
		return nil, err
	}
	select {
	case <-running.Server.ReadyNotify():
	case err := <-running.Err():
		running.Close()
		socket.remove()
		return nil, fmt.Errorf("starting etcd on %s: %w", cfg.Dir, err)
	case <-ctx.Done():
		running.Close()
		socket.remove()
		return nil, fmt.Errorf("starting etcd on %s: %w", cfg.Dir, ctx.Err())
	}
	logs.started()
	server := &Server{etcd: running, socket: socket, failed: make(chan error, 1)}
	go server.supervise()
	go server.tidy()
	return server, nil
}

// startEtcd calls embed.StartEtcd and turns what etcd considers the end of the
// process, unreadable data above all, into an error.
func startEtcd(cfg *embed.Config) (running *embed.Etcd, err error) {
	defer func() {
		if r := recover(); r != nil {
			running, err = nil, fmt.Errorf("starting etcd on %s: %w: %v", cfg.Dir, ErrCorrupt, r)
		}
	}()
	running, err = embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("starting etcd on %s: %w", cfg.Dir, diagnose(err))
	}
	return running, nil
}

// unreadable are the errors by which etcd says that its files make no sense.
var unreadable = []error{
	walpb.ErrCRCMismatch, wal.ErrCRCMismatch, wal.ErrFileNotFound, wal.ErrMetadataConflict,
	wal.ErrSnapshotMismatch, wal.ErrSnapshotNotFound, wal.ErrSliceOutOfRange, wal.ErrDecoderNotFound,
	io.ErrUnexpectedEOF,
}

// diagnose adds one of the package's errors where etcd's own allows to tell.
func diagnose(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: %w", ErrNotWritable, err)
	}
	for _, cause := range unreadable {
		if errors.Is(err, cause) {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	return err
}

// Endpoints returns what a client connects to, such as
// "unix:///var/lib/atrium/etcd/etcd.sock".
func (s *Server) Endpoints() []string { return []string{"unix://" + s.socket.path} }

// Failed yields one error if the server ends by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop ends the server: every acknowledged write is on disk, clients are cut
// off. It may be called more than once.
func (s *Server) Stop() {
	s.once.Do(func() {
		s.etcd.Close()
		s.socket.remove()
		s.lock.Close()
	})
}

// supervise passes on an error of the listeners until Close ends the channel.
func (s *Server) supervise() {
	if err, open := <-s.etcd.Err(); open && err != nil {
		s.failed <- fmt.Errorf("serving etcd: %w", err)
	}
}
