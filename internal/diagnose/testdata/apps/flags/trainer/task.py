# says: The program refused its argument --epoch.
# The words of absl 2.3, absl.app.
import sys

sys.stdout.write("FATAL Flags parsing error:\n  Unknown command line flag 'epoch'. Did you mean: epochs ?\nPass --helpshort or --helpfull to see help on flags.\n")
sys.exit(1)
