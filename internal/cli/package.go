package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pack"
	"github.com/trainyard/trainyard/internal/stage"
)

type packageOptions struct {
	submitOptions
	into string
	list bool
}

func newPackage(a *App) *cobra.Command {
	o := &packageOptions{submitOptions: submitOptions{App: a, job: "package"}}
	cmd := &cobra.Command{
		Use: "package", Short: "Build the archives that a submit would send", Args: exactly(),
		Long: `Build the archives that a submit would send, with every check that it makes, and
send nothing. Their paths are printed. Nothing is left where it refuses.`,
		Example: `  trainyard package --package-path trainer
  trainyard package --package-path trainer --list`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runPackage(cmd.Context(), o) },
	}
	f := cmd.Flags()
	o.packageFlags(f)
	f.StringVarP(&o.into, "output-dir", "o", "dist", "folder to put them into")
	f.BoolVar(&o.list, "list", false, "write nothing; show what would be packed, what not, and why")
	f.BoolVar(&o.noCheck, "no-check", false, "do not look into the code for what would go wrong")
	return cmd
}

func runPackage(ctx context.Context, o *packageOptions) error {
	s, err := o.Config()
	switch {
	case err != nil:
		return err
	case o.packagePath == "":
		return usagef("argument --package-path: Must be specified.").withHint("trainyard package --package-path trainer")
	}
	if err := checkModule(o.module.text); err != nil {
		return err
	}
	in := o.described()
	p, err := o.sorted()
	if err != nil {
		return err
	}
	given := len(p.local)
	defer p.close()
	if err := o.build(ctx, p, in); err != nil {
		return interrupted(ctx, err, "Interrupted while packaging.")
	}
	if o.list {
		return o.print(p.local[given:], p.skipped)
	}
	if p.group, err = stage.Read(p.local, p.sums); err != nil {
		return err
	}
	if err := o.checkCode(ctx, s, p, in); err != nil {
		return err
	}
	if err := os.MkdirAll(o.into, 0o777); err != nil {
		return fault.Errorf(fault.Invalid, "cannot make the folder %s: %s", o.into, reason(err)).WithHint("name another with --output-dir")
	}
	for _, a := range p.local[given:] {
		to := filepath.Join(o.into, filepath.Base(a))
		if err := copyWhole(a, to); err != nil {
			return fault.Errorf(fault.Invalid, "cannot write %s: %s", to, reason(err)).WithHint("name another folder with --output-dir")
		}
		if _, err := fmt.Fprintln(o.Out, to); err != nil {
			return err
		}
	}
	return nil
}

// print shows what is in the archives, and what is not.
func (o *packageOptions) print(archives []string, skipped []pack.Skipped) error {
	var b strings.Builder
	for _, a := range archives {
		files, err := pack.List(a)
		if err != nil {
			return err
		}
		info, err := os.Stat(a)
		if err != nil {
			return fault.Errorf(fault.Internal, "%w", err)
		}
		listArchive(&b, filepath.Base(a), info.Size(), files)
		b.WriteByte('\n')
	}
	listSkipped(&b, skipped)
	_, err := io.WriteString(o.Out, b.String())
	return err
}

// copyWhole copies a file to where it is wanted, whole or not at all.
func copyWhole(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), ".trainyard-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(out.Name())
		}
	}()
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(out.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(out.Name(), to)
	}
	return err
}
