       ID DIVISION.
       PROGRAM-ID. CANDLES.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 R PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           COMPUTE R = N + 19.
           DISPLAY R.
           GOBACK.
