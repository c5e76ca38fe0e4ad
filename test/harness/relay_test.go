package harness

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo answers every byte with the same.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				_, _ = io.Copy(connection, connection)
			}()
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T, r *Relay) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp4", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

// say sends a byte and returns what came back within the time.
func say(t *testing.T, connection net.Conn, letter byte, within time.Duration) error {
	t.Helper()
	if _, err := connection.Write([]byte{letter}); err != nil {
		return err
	}
	return hear(t, connection, letter, within)
}

func hear(t *testing.T, connection net.Conn, letter byte, within time.Duration) error {
	t.Helper()
	if err := connection.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(connection, answer); err != nil {
		return err
	}
	if answer[0] != letter {
		t.Errorf("heard %q, said %q", answer, letter)
	}
	return nil
}

const (
	soon = 10 * time.Second
	// never is how long to listen to silence.
	never = 30 * time.Millisecond
)

func TestRelay(t *testing.T) {
	r, err := NewRelay(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	first := dial(t, r)
	if err := say(t, first, 'a', soon); err != nil {
		t.Fatalf("while it is up: %v", err)
	}

	r.Silence()
	if err := say(t, first, 'b', never); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("while it is silent: %v", err)
	}
	second := dial(t, r)
	if err := say(t, second, 'c', never); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a new connection while it is silent: %v", err)
	}
	r.Mend()
	for letter, connection := range map[byte]net.Conn{'b': first, 'c': second} {
		if err := hear(t, connection, letter, soon); err != nil {
			t.Errorf("what was said in the silence: %v", err)
		}
	}

	r.Cut()
	for _, connection := range []net.Conn{first, second, dial(t, r)} {
		if err := say(t, connection, 'd', soon); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("while it is cut: %v", err)
		}
	}
	r.Mend()
	if err := say(t, dial(t, r), 'e', soon); err != nil {
		t.Errorf("after it was mended: %v", err)
	}
}
