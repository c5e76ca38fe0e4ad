package etcd

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"gopkg.in/natefinch/lumberjack.v2"
)

// logger writes etcd's warnings to a file and decides what a fatal message
// means: while starting it becomes an error of Start, later it ends the
// process, for etcd is then in a state it cannot go on from.
type logger struct {
	zap     *zap.Logger
	running atomic.Bool
}

func newLogger(cfg Config) *logger {
	path := cfg.LogFile
	if path == "" {
		path = filepath.Join(cfg.Dir, "etcd.log")
	}
	out := zapcore.AddSync(&lumberjack.Logger{Filename: path, MaxSize: 10, MaxBackups: 3})
	l := &logger{}
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	l.zap = zap.New(zapcore.NewCore(encoder, out, zapcore.WarnLevel),
		zap.WithFatalHook(l), zap.WithPanicHook(panicHook{}))
	return l
}

// started ends the time in which a fatal message is an error of Start.
func (l *logger) started() { l.running.Store(true) }

// OnWrite implements zapcore.CheckWriteHook for fatal messages.
func (l *logger) OnWrite(entry *zapcore.CheckedEntry, fields []zapcore.Field) {
	if l.running.Load() {
		zapcore.WriteThenFatal.OnWrite(entry, fields)
	}
	panic(describe(entry.Message, fields))
}

// panicHook panics with the message and its cause; zap alone drops the cause.
type panicHook struct{}

// OnWrite implements zapcore.CheckWriteHook for panic messages.
func (panicHook) OnWrite(entry *zapcore.CheckedEntry, fields []zapcore.Field) {
	panic(describe(entry.Message, fields))
}

// describe renders a message with its error fields, the only ones a reader of
// an error text has use for.
func describe(message string, fields []zapcore.Field) string {
	var text strings.Builder
	text.WriteString(message)
	for _, field := range fields {
		if err, ok := field.Interface.(error); ok && field.Type == zapcore.ErrorType {
			fmt.Fprintf(&text, ": %v", err)
		}
	}
	return text.String()
}
