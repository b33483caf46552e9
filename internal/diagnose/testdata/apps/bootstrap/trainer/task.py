# says: The program starts processes while its main module is being imported, so that each would start more.
# at: trainer/task.py:7
import multiprocessing

multiprocessing.set_start_method("spawn", force=True)
multiprocessing.Process(target=print).start()
raise RuntimeError('''
        An attempt has been made to start a new process before the
        current process has finished its bootstrapping phase.''')
