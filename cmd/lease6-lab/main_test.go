package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// runLab runs a command of the program.
func runLab(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(&out)
	err := root.ExecuteContext(ctx)
	return out.String(), err
}

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string // in the output
		err  string // in the error
	}{
		{"help", []string{"--help"}, "generate", ""},
		{"version", []string{"--version"}, "lease6-lab version", ""},
		{"help of demo", []string{"demo", "--help"}, "Examples:\n  lease6-lab demo\n", ""},
		{"help of generate", []string{"generate", "--help"}, "Examples:\n  lease6-lab generate", ""},
		{"generate", []string{"generate", "--hosts", "2"}, "host 5254", ""},
		{"generate with statements", []string{"generate", "--hosts", "1", "--statements"}, "supersede dhcp6.name-servers", ""},
		{"generate without a number", []string{"generate"}, "", "required flag(s) \"hosts\""},
		{"generate a negative number", []string{"generate", "--hosts", "-1"}, "", "want 0 to"},
		{"an argument too many", []string{"demo", "now"}, "", "unknown command"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := runLab(t.Context(), c.args...)
			if !strings.Contains(out, c.want) {
				t.Errorf("output %q, want %q in it", out, c.want)
			}
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q in it", err, c.err)
			}
		})
	}
}
